"""Answers queries about expressions, one a line of standard input, and prints them: a process that may be killed.

A line is a JSON list [query, expression]; the answer a JSON object with the CPU seconds, and the error if there is one
that is neither an ``InputError`` nor a ``ConvergenceError``. A query that takes more than the CPU seconds of the first
argument kills the process with SIGPROF.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import signal
import sys
import time
import traceback
import warnings
from typing import Any


def answer(query: str, text: str) -> None:
    """Ask, and print the result in every way there is."""
    from asymptotics.stairway.stairs import plateaus
    from asymptotics.text.target_tables import expansion_text
    from hermite import Target, expand, hardness, leap

    target = Target(text)
    target._repr_latex_()
    result: Any = {"leap": leap, "expand": expand, "hardness": hardness, "plateaus": plateaus}[query](target)
    json.dumps(result.to_dict(), allow_nan=False)
    repr(result)
    if query == "expand":
        expansion_text(result.to_dict())
        if result.exactness != "undecided":
            result.latex()


def main(seconds: float, memory: int) -> None:
    from hermite.errors import ConvergenceError, InputError

    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    answer("leap", "tanh(z1)*sin(z1^2)")
    answer("plateaus", "relu(z1)*z2")
    answer("hardness", "z1^2 + tanh(z2)")
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    faulthandler.register(signal.SIGPROF, chain=True)
    for row in sys.stdin:
        query, text = json.loads(row)
        begin = time.process_time()
        out: dict[str, Any] = {"refused": False, "error": None}
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer(query, text)
        except (InputError, ConvergenceError):
            out["refused"] = True
        except BaseException as error:
            out["error"] = f"{type(error).__name__}: {str(error)[:200]}"
            out["where"] = "".join(traceback.format_exception(error)[-3:])[-1500:]
        signal.setitimer(signal.ITIMER_PROF, 0)
        out["seconds"] = time.process_time() - begin
        print(json.dumps(out), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
