"""The page on a server of its own, for this machine alone."""

from __future__ import annotations

import socket
from collections.abc import Callable

from asymptotics.playground.calculator import LIMIT, Calculator
from asymptotics.playground.page import Page, import_panel
from asymptotics.playground.state import State
from hermite.errors import InputError

#: The server is bound to it: other machines do not reach it.
ADDRESS = "127.0.0.1"
PORT = 5006
_TITLE = "giantstep: a page to play with"
_FRAME = """{% extends base %}
{% block preamble %}<meta name="viewport" content="width=device-width, initial-scale=1">{% endblock %}
{% block contents %}<main>{{ super() }}</main>{% endblock %}
"""


def serve(
    state: State,
    port: int = PORT,
    ready: Callable[[str], None] = lambda _: None,
    limit: float = LIMIT,
) -> None:
    """Serve the page until interrupted; ``ready`` is told its address. ``port`` 0 takes any free one.

    ``limit``: seconds that one state may take.

    Raises ``InputError`` where the port is in use, and where Panel is missing.
    """
    pn = import_panel()
    port = free_port(port)
    query = state.link()
    origins = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    server = pn.io.server.get_server(
        lambda: page_of_session(state, limit),
        port=port,
        address=ADDRESS,
        websocket_origin=origins,
        title=_TITLE,
    )
    server.start()
    ready(f"http://{ADDRESS}:{port}/" + (f"?{query}" if query else ""))
    try:
        server.io_loop.start()
    finally:
        server.stop()


def page_of_session(state: State, limit: float = LIMIT) -> object:
    """The page of one visitor: what the link says, or ``state`` where it says nothing."""
    pn = import_panel()
    query = {key: [_text(v) for v in values] for key, values in pn.state.session_args.items()}
    found, refused = State.from_link(query) if query else (state, ())
    page = Page(found, refused, Calculator(limit))
    pn.state.onload(page.begin)
    pn.state.on_session_destroyed(lambda _context: page.calculator.close())
    frame = pn.Template(_FRAME, location=True)
    frame.add_panel("page", page.layout)
    return frame


def free_port(port: int) -> int:
    """``port``, or a free one for 0; raises ``InputError`` where it is in use."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"--port {port} cannot be used: {error.strerror or error}; give another (0 takes any free one)."
            ) from None
        return int(trial.getsockname()[1])


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
