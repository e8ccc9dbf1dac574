"""The page: controls on the left, what the calculator says of them on the right. Everything else is in state and view.

Panel is taken because it is well kept and shows the same page on a server of its own and inside Jupyter; it serves its
scripts itself, so that nothing is loaded from a network.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymptotics.playground.calculator import Calculator, Cancelled
from asymptotics.playground.state import CONTROLS, State, values_with, within
from asymptotics.playground.view import PARTS, Part
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Ridge, Training
    from hermite.target import Target

#: Seconds without a change before a computation begins; and those for which one goes on although the state has changed.
_QUIET, _GRACE = 0.25, 1.5
_TITLES = {
    "leap": "What is in the target",
    "stairway": "The stairway",
    "hardness": "Hard for whom",
    "error": "Test error of the ridge fit",
    "overlaps": "Overlaps",
}
_FORMS = ("TOML", "Python", "link")
#: Numbers of the pages of this process, which a notebook may show beside each other.
_PAGES = itertools.count(1)


def explore(
    f: Target | str = "z1 + z1*z2",
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
) -> object:
    """A page to play with, in a notebook: leap report, stairway, hardness table, overlaps and test errors of ``f``.

    ``giantstep explore`` serves the same page to a browser; what is returned is Panel's. The settings that are given are
    where its controls begin; a state takes at most 10 seconds. Raises ``InputError`` for settings that the page has no
    control for, outside a notebook, and where the extra "explore" (Panel) is not installed.
    """
    pn = import_panel()
    state = beginning(f, network, training, ridge)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise InputError(
            "explore shows its page in a notebook; from a shell, giantstep explore serves it."
        ) from None
    pn.extension(inline=True)
    page = Page(state)
    page.task = loop.create_task(page.begin())
    layout: object = page.layout
    return layout


def import_panel() -> Any:
    """Panel; raises ``InputError`` with what to install where it is missing."""
    try:
        import panel
    except ImportError:
        raise InputError('explore needs the extra "explore": pip install "giantstep[explore]".') from None
    return panel


def beginning(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
) -> State:
    """The state that a target and settings describe; raises ``InputError`` for what the page cannot show."""
    from asymptotics.experiment.settings import Network, Ridge, Training
    from hermite.target import as_target

    target = as_target(f)
    network, training, ridge = network or Network(), training or Training(), ridge or Ridge()
    if not target.is_symbolic or target.gram is not None or not isinstance(network.activation, str):
        raise InputError("explore takes a target and an activation as text, without a Gram matrix.")
    state = State(
        target=target.text,
        activation=network.activation,
        readout=network.readout,
        initialisation=network.initialisation,
        steps=training.steps,
        alpha_train=training.alpha,
        eta=training.eta,
        alpha=ridge.alpha,
        beta=ridge.beta,
        lam=ridge.lam,
        noise=target.noise,
        d=ridge.d,
    )
    shown = (
        replace(Network(), **{k: getattr(network, k) for k in ("activation", "readout", "initialisation")}),
        replace(Training(), **{k: getattr(training, k) for k in ("steps", "alpha", "eta")}),
        replace(Ridge(), **{k: getattr(ridge, k) for k in ("alpha", "beta", "lam", "d")}),
    )
    if shown != (network, training, ridge):
        keys = ", ".join(control.key for control in CONTROLS.values())
        raise InputError(f"explore has controls for {keys}; other settings must be at their default.")
    return within(state)


class Page:
    """One open page: its widgets, its calculator, and the task that keeps the right side in step with the left."""

    def __init__(
        self, state: State, refused: Iterable[str] = (), calculator: Calculator | None = None
    ) -> None:
        pn = import_panel()
        self._pn, self.state, self.calculator = pn, state, calculator or Calculator()
        self._wanted: State | None = None
        self._changed, self._running = 0.0, False
        self.task: asyncio.Task[None] | None = None
        css = Path(__file__).with_name("playground.css").read_text(encoding="utf-8")
        html = {"sizing_mode": "stretch_width", "stylesheets": [css], "margin": (0, 10)}
        self._focus = [css[css.index("/* controls */") :]]
        self.widgets = {name: self._widget(name) for name in CONTROLS}
        self.problems = {name: pn.pane.HTML("", visible=False, **html) for name in CONTROLS}
        refusals = "".join(f'<p class="refusal">{escape(sentence)}</p>' for sentence in refused)
        notice = pn.pane.HTML(refusals, visible=bool(refusals), **html | {"styles": {"flex": "1 1 100%"}})
        self.status = pn.pane.HTML(_status("busy", "Starting…"), **html)
        self.parts = {name: pn.pane.HTML(_part(name, ""), **html) for name in PARTS}
        self.form = pn.widgets.RadioButtonGroup(
            label="Copy as",
            options=list(_FORMS),
            value="TOML",
            sizing_mode="stretch_width",
            stylesheets=self._focus,
        )
        self.copied = pn.widgets.TextAreaInput(
            label="This page as TOML, Python or a link",
            rows=8,
            max_length=10_000,
            sizing_mode="stretch_width",
            stylesheets=self._focus,
        )
        button = pn.widgets.Button(label="Copy", sizing_mode="stretch_width", stylesheets=self._focus)
        button.js_on_click(args={"text": self.copied}, code="navigator.clipboard.writeText(text.value)")
        rows = [part for name in CONTROLS for part in (self.widgets[name], self.problems[name])]
        name = f"giantstep-controls-{next(_PAGES)}"
        left = pn.Column(
            *rows,
            self.form,
            self.copied,
            button,
            css_classes=[name],
            styles={"flex": "1 1 280px", "min-width": "0"},
        )
        # Its value changes with the status; that runs the script, on a server and in a notebook.
        self._told = pn.widgets.TextInput(visible=False)
        self._told.jscallback(value=self._names_of_sliders(name))
        left.append(self._told)
        right = pn.Column(
            self.status, *self.parts.values(), styles={"flex": "3 1 min(480px, 100%)", "min-width": "0"}
        )
        self.layout = pn.FlexBox(
            notice, left, right, sizing_mode="stretch_width", styles={"max-width": "76rem"}
        )
        self.form.param.watch(self._retell, "value")
        for name, widget in self.widgets.items():
            what = "value_input" if CONTROLS[name].text and name == "target" else "value"
            widget.param.watch(self._on_change, what)
        self._retell()

    def _widget(self, name: str) -> Any:
        """The control of one setting."""
        widgets, control, value = self._pn.widgets, CONTROLS[name], getattr(self.state, name)
        common = {"label": control.label, "sizing_mode": "stretch_width", "stylesheets": self._focus}
        if name == "target":
            return widgets.TextInput(value=value, value_input=value, max_length=control.longest, **common)
        if name == "activation":
            return widgets.Select(
                options=list(dict.fromkeys([*_activations(), value])), value=value, **common
            )
        if name == "steps":
            return widgets.IntSlider(start=0, end=control.values[-1], value=value, **common)
        if control.free:
            options = {f"{v:g}": v for v in values_with(name, value)}
            return widgets.DiscreteSlider(options=options, value=value, **common)
        return widgets.Select(options=[*map(_choice, control.values)], value=_choice(value), **common)

    def _names_of_sliders(self, page: str) -> str:
        """The script that gives the handles of sliders, in the order of the controls, their names and real values.

        ``page`` is the class of the controls.
        """
        told = [{"label": label, "values": values} for label, values in self.sliders()]
        script = Path(__file__).with_name("sliders.js").read_text(encoding="utf-8")
        return script.replace("%SLIDERS%", json.dumps(told)).replace("%PAGE%", page)

    def sliders(self) -> list[tuple[str, list[str]]]:
        """Label and values, as they are shown, of every slider, in the order of the page."""
        return [
            (control.label, [f"{v:g}" for v in values_with(name, getattr(self.state, name))])
            for name, control in CONTROLS.items()
            if control.free or name == "steps"
        ]

    def _read(self) -> State:
        """What the controls say."""
        found = {name: widget.value for name, widget in self.widgets.items()}
        found["target"] = self.widgets["target"].value_input
        choices = {
            name: {_choice(v): v for v in CONTROLS[name].values}
            for name in ("readout", "initialisation", "d")
        }
        return State(**found | {name: values[found[name]] for name, values in choices.items()})

    async def begin(self) -> None:
        """Answer the state that the page was made with."""
        self._wanted = self.state
        await self._run()

    async def _on_change(self, _event: object) -> None:
        state = self._read()
        if state == (self._wanted or self.state):
            return
        self._wanted, self._changed = state, time.monotonic()
        if not self._running:
            await self._run()

    async def _run(self) -> None:
        """Answer the newest state until there is no newer one."""
        self._running = True
        try:
            while self._wanted is not None:
                while time.monotonic() < self._changed + _QUIET:
                    await asyncio.sleep(_QUIET / 5)
                self.state, self._wanted = self._wanted, None
                self._retell()
                await self._answer(self.state)
        finally:
            self._running = False

    async def _answer(self, state: State) -> None:
        """The parts of one state as they come; where a newer one waits, this one is soon given up."""
        begun = time.monotonic()
        self._say("busy", "Computing…")
        left = dict.fromkeys(PARTS)
        await asyncio.to_thread(self.calculator.ask, state)
        try:
            while True:
                found = await asyncio.to_thread(self.calculator.answer, 0.1)
                if found is False:
                    break
                if isinstance(found, Part):
                    left.pop(found.name, None)
                    self._show(found)
                    if found.name == "controls" and found.problems:
                        said = found.problems.get("", "Not updated: see the message beside the control.")
                        self._say("refused", said)
                        return
                elif self._wanted is not None and time.monotonic() > begun + _GRACE:
                    return
        except Cancelled as error:
            for name in left:
                self.parts[name].object = _part(name, f'<p class="refusal">{escape(str(error))}</p>')
            self._say("refused", str(error))
            return
        self._say("done", f"Done in {time.monotonic() - begun:.1f} s.")

    def _say(self, kind: str, text: str) -> None:
        """The status, and the script that follows it."""
        self.status.object = _status(kind, text)
        self._told.value = f"{kind} {time.monotonic()}"

    def _show(self, found: Part) -> None:
        if found.name == "controls":
            self._say_problems(found.problems)
        else:
            self._say_problems(found.problems, clear=False)
            self.parts[found.name].object = _part(found.name, found.html)

    def _say_problems(self, problems: Mapping[str, str], clear: bool = True) -> None:
        """Sentences beside the controls that they are about."""
        for name, pane in self.problems.items():
            said = problems.get(name, "")
            if said or clear:
                pane.param.update(
                    object=f'<p class="problem" role="alert">{escape(said)}</p>', visible=bool(said)
                )

    def _retell(self, *_: object) -> None:
        """The text to copy, and the address of the page."""
        location = self._pn.state.location
        query = self.state.link()
        search = f"?{query}" if query else ""
        here = "http://127.0.0.1:5006/"
        if location is not None and location.href:
            here = location.href.partition("?")[0]
            if location.search != search:
                location.search = search
        self.copied.value = {
            "TOML": self.state.toml(),
            "Python": self.state.python(),
            "link": here + search,
        }[self.form.value]


def _choice(value: object) -> str:
    """What a list of choices shows of a value."""
    return "infinite (the limit)" if value is None else str(value)


def _activations() -> list[str]:
    from asymptotics.expectations.named_activations import OF_THE_LANGUAGE
    from hermite.language.named import NAMED

    return [*OF_THE_LANGUAGE, *NAMED]


def _part(name: str, html: str) -> str:
    return f'<section id="{name}"><h2>{_TITLES[name]}</h2>{html}</section>'


def _status(kind: str, text: str) -> str:
    return f'<p id="status" role="status" class="{kind}">{escape(text)}</p>'
