// Handles of sliders have no name, and say their place among the values: a screen reader is told the control and its value.
(function () {
  const sliders = %SLIDERS%;
  function handles(root, found) {
    for (const element of root.querySelectorAll("*")) {
      if (element.classList.contains("noUi-handle")) found.push(element);
      if (element.shadowRoot) handles(element.shadowRoot, found);
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
  const waiting = setInterval(() => {
    const found = handles(document, []);
    if (found.length < sliders.length) return;
    clearInterval(waiting);
    found.forEach((handle, k) => {
      say(handle, sliders[k]);
      const observer = new MutationObserver(() => say(handle, sliders[k]));
      observer.observe(handle, {attributeFilter: ["aria-valuenow", "aria-valuetext"]});
    });
  }, 200);
})();
