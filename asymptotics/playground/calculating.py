"""The process behind the page: a state a line on standard input, its parts as lines of JSON on standard output.

It is a process of its own so that what takes too long can be ended. ``python -m asymptotics.playground.calculating`` ends
with its standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from asymptotics.playground.state import State
from asymptotics.playground.view import parts


def main() -> None:
    """Answer until nobody asks any more, or listens."""
    # What libraries print must not come between the lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    limit = int(sys.argv[1])
    try:
        _answer(answers, limit)
    except BrokenPipeError:
        # The page has ended in the middle of an answer; closing the stream would try to tell the rest of it.
        os._exit(0)


def _answer(answers: object, limit: int) -> None:
    _tell(answers, {"ready": True})
    for line in sys.stdin:
        if hasattr(signal, "alarm"):
            # Where the page itself was killed in the middle of a long answer, nobody else ends this process.
            signal.alarm(limit)
        for part in parts(State(**json.loads(line))):
            _tell(answers, part.to_dict())
        _tell(answers, {"done": True})


def _tell(stream: object, message: object) -> None:
    print(json.dumps(message), file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
