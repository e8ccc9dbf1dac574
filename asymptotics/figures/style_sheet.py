"""giantstep's style sheet, and figures made into files with it.

Files are made from ``Figure`` objects inside ``style()``: neither pyplot nor any global setting is touched.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = (3.4, 2.6)
"""Inches of a figure of one column in print."""

PAGE = (7.0, 2.8)
"""Inches of a figure across the page."""

#: What the metadata of a figure say of where it came from; empty: nothing.
PROVENANCE: ContextVar[str] = ContextVar("PROVENANCE", default="")

STYLE = Path(__file__).with_name("giantstep.mplstyle")


@contextmanager
def style() -> Iterator[None]:
    """giantstep's style sheet, for the time of a ``with`` block; nothing of the user's settings shows through.

    A user's ``text.usetex`` without LaTeX, say, must not cost the figure.
    """
    import_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def import_matplotlib() -> None:
    """Import matplotlib, also where ``MPLBACKEND`` names nothing: a figure made for a file needs no backend."""
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def axes_or_new(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def save(draw: Callable[[Figure], object], size: tuple[float, float] | None = None) -> dict[str, bytes]:
    """What ``draw`` draws on a new figure, as ``{"png": bytes, "pdf": bytes}``; equal input gives equal bytes."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=size)
        draw(figure)
        files = {}
        origin = PROVENANCE.get()
        png: dict[str, str | None] = {"Software": None} | ({"Description": origin} if origin else {})
        pdf: dict[str, str | None] = {"CreationDate": None} | ({"Subject": origin} if origin else {})
        for kind, metadata in (("png", png), ("pdf", pdf)):
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, metadata=metadata)
            files[kind] = stream.getvalue()
    return files


def drawn_svg(draw: Callable[[Figure], object]) -> bytes:
    """What ``draw`` draws on a new figure as SVG for a page, letters as outlines; equal input gives equal bytes."""
    import_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    with style(), matplotlib.rc_context({"svg.hashsalt": "giantstep", "svg.fonttype": "path"}):
        figure = Figure()
        draw(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def looks() -> list[dict[str, Any]]:
    """Colour, line style and marker of each group, from the style sheet (the same whatever style is active)."""
    import matplotlib

    return list(matplotlib.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"])


def distinct_looks(count: int) -> list[dict[str, Any]]:
    """``count`` looks, no two equal: those of the style sheet, or as many colours of a scale with its lines and markers."""
    cycle = looks()
    if count <= len(cycle):
        return cycle[:count]
    from matplotlib import colormaps

    colours = colormaps["viridis"]
    return [cycle[i % len(cycle)] | {"color": colours(0.95 * i / (count - 1))} for i in range(count)]
