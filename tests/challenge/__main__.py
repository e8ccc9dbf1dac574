"""Run the challenge: ``python -m tests.challenge --seed S --count N``; Ctrl-C and the same command resume it."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from .drawing import draw
from .measuring import measured
from .running import Outcome, indices, run
from .summary import draw_figure, lines, page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.challenge", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a fresh one, printed")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument(
        "--beyond", type=int, default=40, help="as many further settings of mixtures and class labels"
    )
    parser.add_argument(
        "--finite", type=int, default=0, help="as many of pairs at all (n, p, d) and of removed low orders"
    )
    parser.add_argument("--start", type=int, default=0, help="index of the first setting")
    parser.add_argument("--replicates", type=int, default=16, help="networks in the first block of a setting")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("challenge"), help="stores and outcomes")
    parser.add_argument("--simulate", action="store_true", help="simulate only: predictions can follow")
    parser.add_argument("--again", action="store_true", help="make predictions anew; simulations are kept")
    parser.add_argument(
        "--page", type=Path, default=None, help="write the page (Markdown) and its figure (PNG) here"
    )
    parser.add_argument("--remarks", type=Path, default=None, help="Markdown to put on the page")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    if given.simulate:
        settings = [
            draw(seed, index) for index in indices(given.start, given.count, given.beyond, given.finite)
        ]
        for m in measured(settings, given.folder, given.replicates, given.workers):
            print(
                f"{m.index:4d}  {m.mean:.5g} ± {100 * m.sem / m.mean:.2f} %  {m.replicates} networks",
                flush=True,
            )
        return
    outcomes = []
    for o in run(
        seed,
        given.count,
        given.folder,
        beyond=given.beyond,
        finite=given.finite,
        start=given.start,
        replicates=given.replicates,
        workers=given.workers,
        again=given.again,
    ):
        outcomes.append(o)
        print(_line(o), flush=True)
    print("\n".join(lines(outcomes)))
    if given.page is not None:
        figure = given.page.with_suffix(".png")
        remarks = "" if given.remarks is None else given.remarks.read_text(encoding="utf-8")
        given.page.write_text(page(outcomes, seed, figure.name, remarks), encoding="utf-8")
        draw_figure(outcomes).savefig(figure, dpi=150)


def _line(o: Outcome) -> str:
    stated = o.prediction.stated
    told = f"{100 * o.deviation:+6.2f} %" if o.answered else "refused"
    own = "-" if stated is None else f"{100 * stated:.2f} %"
    mark = "  outside" if o.answered and not (o.within or o.covered) else ""
    return f"{o.setting.index:4d}  {told} ± {100 * o.sem:.2f} %  stated {own}{mark}  {o.setting.sentence}"


if __name__ == "__main__":
    main()
