// Handles of sliders have no name, and say their place among the values: a screen reader is told the control and its value.
// Run whenever the page tells its status, on a server and in a notebook: what is named already is left alone.
const sliders = %SLIDERS%;
function all(root, selector, found) {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(selector)) found.push(element);
    if (element.shadowRoot) all(element.shadowRoot, selector, found);
  }
  return found;
}
function say(handle, slider) {
  const place = Math.round(handle.closest(".noUi-target").noUiSlider.get(true));
  const values = slider.values;
  const told = {
    "aria-label": slider.label,
    "aria-valuemin": values[0],
    "aria-valuemax": values[values.length - 1],
    "aria-valuenow": values[place],
    "aria-valuetext": values[place],
  };
  // What is said already is not said again: the observer would hear itself.
  for (const [name, value] of Object.entries(told))
    if (handle.getAttribute(name) !== value) handle.setAttribute(name, value);
}
// A notebook may show other pages, and a page twice: each finds its own sliders.
for (const page of all(document, ".%PAGE%", [])) {
  const found = all(page.shadowRoot || page, ".noUi-handle", []);
  if (found.length !== sliders.length) continue;
  found.forEach((handle, k) => {
    if (handle.hasAttribute("aria-label")) return;
    say(handle, sliders[k]);
    const observer = new MutationObserver(() => say(handle, sliders[k]));
    observer.observe(handle, {attributeFilter: ["aria-valuenow", "aria-valuetext"]});
  });
}
