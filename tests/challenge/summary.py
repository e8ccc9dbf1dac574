"""What the outcomes say together: a page in Markdown and its figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from .drawing import FIRST_BEYOND, FIRST_FINITE
from .running import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is said of settings beyond isotropic inputs and values.
_BEYOND = "; mixtures of up to three clusters, power laws, and class labels with four losses (d between 100 and 220)"
#: What is said of settings that the theories at all (n, p, d) answer.
_FINITE = "; pairs after a step at all (n, p, d), and n = alpha d² with orders 0 and 1 removed (d between 60 and 150)"
#: The marks: shares that a release has to reach.
WITHIN_OR_STATED, COVERAGE = 0.95, 0.90


def share(hits: Sequence[bool]) -> float:
    """Share of hits; nan of nothing."""
    return sum(hits) / len(hits) if hits else math.nan


def answered(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The settings for which some theory gave a number."""
    return [o for o in outcomes if o.answered]


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """The shares in sentences."""
    told = answered(outcomes)
    stated = [o for o in told if o.prediction.stated is not None]
    size = 100 * np.array([abs(o.deviation) for o in told])
    own = 100 * np.array([o.prediction.stated for o in stated], float)
    sem = 100 * np.array([o.sem for o in told])
    return [
        f"{len(outcomes)} settings, {len(told)} answered ({share([o.answered for o in outcomes]):.0%}).",
        f"Median deviation {np.median(size):.2g} %, median stated error {np.median(own):.2g} %, median standard error of the "
        f"simulation {np.median(sem):.2g} %.",
        f"Within 1 % + 2 s.e.: {share([o.within for o in told]):.1%} of the answers.",
        f"Within 1 % + 2 s.e. or inside the stated error: {share([o.within or o.covered for o in told]):.1%} "
        f"(mark {WITHIN_OR_STATED:.0%}).",
        f"Coverage of the stated error: {share([o.covered for o in stated]):.1%} of {len(stated)} (mark {COVERAGE:.0%}).",
        "Without the allowance of 2 s.e., which the simulation's own noise needs: "
        f"{share([abs(o.deviation) <= (o.prediction.stated or 0.0) for o in stated]):.1%} inside the stated error.",
        f"Answers without an error estimate: {len(told) - len(stated)} (mark 0).",
    ]


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Deviations by stage and theory, in percent."""
    rows = [
        "| stage | theory | settings | median deviation | 90 % of them below | largest | median stated error | covered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = sorted({_group(o) for o in answered(outcomes)})
    for stage, level in groups:
        own = [o for o in answered(outcomes) if _group(o) == (stage, level)]
        size = 100 * np.abs([o.deviation for o in own])
        stated = [100 * o.prediction.stated for o in own if o.prediction.stated is not None]
        median = f"{np.median(stated):.2g} %" if stated else "-"
        rows.append(
            f"| {stage} | {level} | {len(own)} | {np.median(size):.2g} % | {np.quantile(size, 0.9):.2g} % "
            f"| {size.max():.2g} % | {median} | {share([o.covered for o in own]):.0%} |"
        )
    return rows


def _group(o: Outcome) -> tuple[str, str]:
    return o.setting.stage, o.prediction.level


def refusals(outcomes: Sequence[Outcome]) -> list[str]:
    """The sentences of the settings that no theory covers, and how often each was met."""
    sentences = [o.prediction.refusal for o in outcomes if not o.answered]
    return [f"- {sentences.count(text)} × {text}" for text in dict.fromkeys(sentences)]


def kinds_outside(outcomes: Sequence[Outcome]) -> list[str]:
    """Shares outside, by what a setting has: where there is no trust, it should be known of what."""
    told = answered(outcomes)
    kinds: dict[str, Callable[[Outcome], bool]] = {
        "mixture": lambda o: o.setting.inputs is not None,
        "class labels": lambda o: o.setting.target.has_classes,
        "Gaussian readout": lambda o: o.setting.network.readout == "gaussian",
        "four atoms": lambda o: not isinstance(o.setting.network.readout, str),
        "readout ±1": lambda o: o.setting.network.readout == "rademacher",
        "symmetric": lambda o: o.setting.network.initialisation == "symmetric",
        "independent": lambda o: o.setting.network.initialisation == "independent",
        "one direction": lambda o: o.setting.target.r == 1,
        "two directions": lambda o: o.setting.target.r == 2,
        "three directions": lambda o: o.setting.target.r == 3,
        "more neurons than samples": lambda o: (
            o.setting.kind == "ridge" and o.setting.ridge.beta > o.setting.ridge.alpha
        ),
        **{
            f"activation {name}": lambda o, name=name: o.setting.network.activation == name  # type: ignore[misc]
            for name in sorted({str(o.setting.network.activation) for o in told})
        },
    }
    rows = [
        "| kind | settings | within 1 % + 2 s.e. | or inside the stated error | median deviation | median stated error |",
        "|---|---|---|---|---|---|",
    ]
    for name, has in kinds.items():
        own = [o for o in told if has(o)]
        if own:
            sizes = np.median([100 * abs(o.deviation) for o in own])
            stated = np.median([100 * (o.prediction.stated or 0.0) for o in own])
            rows.append(
                f"| {name} | {len(own)} | {share([o.within for o in own]):.0%} | "
                f"{share([o.within or o.covered for o in own]):.0%} | {sizes:.2g} % | {stated:.2g} % |"
            )
    return rows


def page(outcomes: Sequence[Outcome], seed: int, figure: str, remarks: str = "") -> str:
    """The documentation page of one run; ``remarks`` are Markdown that a person has written about it."""
    worst = sorted(
        (o for o in answered(outcomes) if not (o.within or o.covered)), key=lambda o: -abs(o.deviation)
    )
    beyond = sum(FIRST_BEYOND <= o.setting.index < FIRST_FINITE for o in outcomes)
    finite = sum(o.setting.index >= FIRST_FINITE for o in outcomes)
    versions = ", ".join(f"{name} {version(name)}" for name in ("giantstep", "numpy", "scipy"))
    return "\n".join(
        [
            "# How far to trust a prediction",
            "",
            "Random settings, each predicted as `risk` does by default and simulated with the real network: targets of one to "
            "three directions, rotated, with and without noise; ten activations; three laws of the readout; both "
            "initialisations; no to three giant steps; alpha, eta, beta and lambda log-uniform; d between 150 and 400; one step "
            "at leap 2 (n = alpha d², d between 60 and 120); fixed width (d = 100,000), online and on a reused batch"
            f"{_BEYOND if beyond else ''}{_FINITE if finite else ''}. "
            "Test errors include the label noise. Settings are drawn before anything is computed; none is left out for its "
            "result.",
            "",
            f"Seed {seed}; `python -m tests.challenge --seed {seed} --count {len(outcomes) - beyond - finite} --beyond {beyond}"
            f"{f' --finite {finite}' if finite else ''}`; "
            f"{versions}.",
            "",
            *[f"- {line}" for line in lines(outcomes)],
            "",
            f"![Deviation of prediction from simulation against the stated error]({figure})",
            "",
            "Covered: the deviation is at most the stated error (`error.total` of the result) + 2 standard errors of the "
            "simulation.",
            "",
            *([remarks.strip(), ""] if remarks else []),
            "## By stage and theory",
            "",
            *table(outcomes),
            "",
            "## By kind of setting",
            "",
            *kinds_outside(outcomes),
            "",
            "## Outside both the 1 % and the stated error",
            "",
            *(list(map(_outside, worst)) or ["None."]),
            "",
            "## Not answered",
            "",
            *(refusals(outcomes) or ["None."]),
            "",
        ]
    )


def _outside(o: Outcome) -> str:
    own = f"stated {100 * (o.prediction.stated or 0.0):.1f} %; {o.prediction.level}"
    return f"- {100 * o.deviation:+.1f} % ± {100 * o.sem:.1f} % ({own}): {o.setting.sentence}"


def draw_figure(outcomes: Sequence[Outcome]) -> Figure:
    """|deviation| against the stated error, with the line on which they are equal; error bars are standard errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    ax = figure.subplots()
    told = [o for o in answered(outcomes) if o.prediction.stated]
    for marker, stage in zip(cycle("os^Dv<>PphdX*H"), sorted({o.setting.stage for o in told}), strict=False):
        own = [o for o in told if o.setting.stage == stage]
        ax.errorbar(
            [100 * (o.prediction.stated or 0.0) for o in own],
            [max(100 * abs(o.deviation), 1e-3) for o in own],
            yerr=[100 * o.sem for o in own],
            fmt=marker,
            ms=4,
            lw=0.7,
            mfc="none",
            label=stage,
        )
    grid = np.geomspace(1e-2, 100, 50)
    ax.plot(grid, grid, "k-", lw=1, label="equal")
    ax.set(xscale="log", yscale="log", ylim=(1e-2, None))
    ax.set_xlabel("stated error of the prediction (%)")
    ax.set_ylabel("|prediction − simulation| / simulation (%)")
    ax.legend(fontsize=7, frameon=False)
    return figure
