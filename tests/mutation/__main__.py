"""Run the trial: ``python -m tests.mutation --seed S --count N``; Ctrl-C and the same command resume it."""

from __future__ import annotations

import argparse
import json
import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from .changing import Change, changes, control
from .nearest import modules, nearest, source
from .running import Met, Outcome, prepare, record, recorded, tried


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a fresh one, printed")
    parser.add_argument("--count", type=int, default=10, help="changes of each module")
    parser.add_argument(
        "--module",
        action="append",
        default=None,
        help="a module, or a room with all of its own; default: all",
    )
    parser.add_argument("--folder", type=Path, default=Path("mutation"), help="what was recorded and found")
    parser.add_argument("--patience", type=float, default=12.0, help="CPU seconds of tests on one change")
    parser.add_argument(
        "--again",
        action="store_true",
        help="only those that survived, with the tests of today and all others that the folder has a record of",
    )
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    prepare()
    wanted = [m for m in modules() if given.module is None or any(_in(m, w) for w in given.module)]
    log = given.folder / f"outcomes.{seed}.jsonl"
    known = _known(log)
    for module in wanted:
        text = source(module).read_text(encoding="utf-8")
        met: list[Met] | None = None
        for change in islice(changes(module, text, seed), given.count):
            before = known.get(change.key)
            if (before is not None) if not given.again else (before not in {"survived", "unmet"}):
                continue
            if met is None:
                met = [m for path in nearest(module) for m in record(path, given.folder / "met")]
                if met and tried(control(module), met, 0.0).state != "killed":
                    raise SystemExit(f"{module} as its tests import it is not the changed one")
                if given.again:
                    met += _further(given.folder / "met", {m.test for m in met})
            outcome = tried(change, met, given.patience)
            known[change.key] = outcome.state
            _write(log, change, outcome)
            mark = "  " if outcome.state in {"killed", "endless"} else "! "
            print(
                f"{mark}{outcome.state:8s} {change.key}  {change.told}  [{outcome.tests} {outcome.by}]",
                flush=True,
            )
    print("\n".join(_table(wanted, known)))


def _in(module: str, wanted: str) -> bool:
    return module == wanted or module.startswith(f"{wanted}.")


def _further(folder: Path, near: set[str]) -> list[Met]:
    """What was recorded of tests in other rooms, the newest record of each file."""
    newest = {
        path.name.split(".")[0]: path
        for path in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)
    }
    return [m for path in newest.values() for m in recorded(path) if m.test not in near]


def _known(log: Path) -> dict[str, str]:
    """The newest outcome of each change that was tried."""
    if not log.is_file():
        return {}
    rows = [json.loads(row) for row in log.read_text(encoding="utf-8").splitlines()]
    return {row["key"]: row["state"] for row in rows}


def _write(log: Path, change: Change, outcome: Outcome) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": change.key, "told": change.told, **asdict(outcome)}) + "\n")


def _table(wanted: Iterable[str], known: dict[str, str]) -> list[str]:
    rows = ["| module | changes | killed | survived | met by no test |", "|---|---|---|---|---|"]
    for module in wanted:
        states = Counter(state for key, state in known.items() if key.split(":")[0] == module)
        if states:
            killed = states["killed"] + states["endless"]
            rows.append(
                f"| `{module}` | {states.total()} | {killed} | {states['survived']} | {states['unmet']} |"
            )
    return rows


if __name__ == "__main__":
    main()
