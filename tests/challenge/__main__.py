"""Run the challenge: ``python -m tests.challenge --seed S --count N``; Ctrl-C and the same command resume it."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from .running import run
from .summary import draw_figure, lines, page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.challenge", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a fresh one, printed")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--start", type=int, default=0, help="index of the first setting")
    parser.add_argument("--replicates", type=int, default=16, help="networks in the first block of a setting")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("challenge"), help="stores and outcomes")
    parser.add_argument(
        "--page", type=Path, default=None, help="write the page (Markdown) and its figure (PNG) here"
    )
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    outcomes = []
    for o in run(seed, given.count, given.folder, given.replicates, given.workers, given.start):
        outcomes.append(o)
        told = "refused" if o.deviation is None else f"{100 * o.deviation:+6.2f} %"
        stated = "-" if o.stated is None else f"{100 * o.stated:.2f} %"
        mark = "" if o.within or o.covered or o.deviation is None else "  outside"
        print(
            f"{o.index:4d}  {told} ± {100 * o.sem / o.measured:.2f} %  stated {stated}{mark}  {o.setting}",
            flush=True,
        )
    print("\n".join(lines(outcomes)))
    if given.page is not None:
        figure = given.page.with_suffix(".png")
        given.page.write_text(page(outcomes, seed, figure.name), encoding="utf-8")
        draw_figure(outcomes).savefig(figure, dpi=150)


if __name__ == "__main__":
    main()
