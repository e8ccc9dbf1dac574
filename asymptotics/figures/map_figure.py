"""A map: one quantity of the rows of a curve over two settings, as colours with contours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.figures.line_labels import AXIS_LABELS
from asymptotics.figures.style_sheet import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: An axis is logarithmic where its largest value is at least so many times the smallest.
_LOG_FROM = 8


#: Colours are logarithmic where the largest value is at least so many times the least.
_LOG_COLOURS = 30


#: How bright red, green and blue are in grey.
_LUMINANCE = np.array([0.299, 0.587, 0.114])

#: Parts of the Axes between labels of contours, and from a label to the border.
_LABELS_APART, _MARGIN = 0.12, 0.06


def plot_map(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    quantity: str = "test_error",
    ax: Axes | None = None,
    best: tuple[float, float] | None = None,
    *,
    title: str = "",
    star: str = "least",
) -> Axes:
    """``quantity`` over the columns ``x`` and ``y`` of ``rows``, which hold every pair of their values once.

    Numbers colour their cells, with contours where there are at least three values on both axes; a star marks the "least" or the
    "most" of them (``star``), or ``best`` (x, y). Names have a colour each, told by a legend above. Where there is no answer
    the cell stays empty. ``title`` is what is said of the colours.
    """
    ax = axes_or_new(ax)
    # Kernel ridge (infinite width) has no place on an axis.
    placed = [row for row in rows if math.isfinite(row[x]) and math.isfinite(row[y])]
    xs, ys = (sorted({float(row[key]) for row in placed}) for key in (x, y))
    cells = {(ys.index(float(row[y])), xs.index(float(row[x]))): row[quantity] for row in placed}
    ax.grid(False)
    title = title or quantity.replace("_", " ")
    if any(isinstance(value, str) for value in cells.values()):
        _colour_names(ax, xs, ys, cells, title)
        _scales(ax, xs, ys)
    else:
        _colour_numbers(ax, xs, ys, cells, title, star, best)
    ax.set_xlabel(AXIS_LABELS.get(x, x))
    ax.set_ylabel(AXIS_LABELS.get(y, y))
    return ax


Cells = Mapping[tuple[int, int], Any]
"""(row, column) → value."""


def _colour_names(ax: Axes, xs: Sequence[float], ys: Sequence[float], cells: Cells, title: str) -> None:
    """A colour a name, dark to light so that grey tells them apart too, borders between them, and a legend."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = sorted({value for value in cells.values() if value is not None})
    scale = colormaps["viridis"](np.linspace(0.0, 1.0, 256))
    grey = scale[:, :3] @ _LUMINANCE
    # Equally far apart in grey, which rises along the scale.
    colours = [tuple(scale[np.searchsorted(grey, g)]) for g in np.linspace(grey[20], grey[-20], len(names))]
    values = np.full((len(ys), len(xs)), np.nan)
    for at, value in cells.items():
        if value is not None:
            values[at] = names.index(value)
    across, up = _edges(xs), _edges(ys)
    ax.pcolormesh(
        across, up, values, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(names) - 0.5, rasterized=True
    )
    for i, j in np.argwhere(values[:, 1:] != values[:, :-1]):
        ax.plot([across[j + 1]] * 2, up[i : i + 2], color="white", linestyle="-", marker="", linewidth=1.2)
    for i, j in np.argwhere(values[1:] != values[:-1]):
        ax.plot(across[j : j + 2], [up[i + 1]] * 2, color="white", linestyle="-", marker="", linewidth=1.2)
    handles = [
        Patch(facecolor=colour, edgecolor="0.3", label=name)
        for name, colour in zip(names, colours, strict=True)
    ]
    # Short names share a row.
    columns = max(1, min(len(names), 36 // (4 + max(map(len, names), default=1))))
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    ax.legend(handles=handles, title=title, alignment="left", ncols=columns, **place)


def _colour_numbers(
    ax: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    cells: Cells,
    title: str,
    star: str,
    best: tuple[float, float] | None,
) -> None:
    """Colours with their bar, contours with their values, and the star."""
    values = np.full((len(ys), len(xs)), np.nan)
    for at, value in cells.items():
        if value is not None and math.isfinite(value):
            values[at] = value
    finite = values[np.isfinite(values)]
    log = finite.size > 0 and finite.min() > 0 and finite.max() >= _LOG_COLOURS * finite.min()
    mesh = ax.pcolormesh(
        _edges(xs), _edges(ys), values, cmap="viridis", rasterized=True, norm="log" if log else None
    )
    if min(len(xs), len(ys)) >= 3 and finite.size and np.ptp(finite) > 0:
        # Levels of a logarithmic scale are equally far apart on it.
        levels = np.geomspace(finite.min(), finite.max(), 9)[1:-1] if log else None
        lines = ax.contour(
            xs, ys, np.ma.masked_invalid(values), levels=levels, colors="white", linewidths=0.7
        )
    else:
        lines = None
    if finite.size:
        extreme = np.nanargmax(values) if star == "most" else np.nanargmin(values)
        i, j = np.unravel_index(extreme, values.shape)
        place = best or (xs[int(j)], ys[int(i)])
        # Whole also at the border.
        ax.plot(
            *place,
            marker="*",
            color="white",
            markeredgecolor="black",
            markersize=9,
            linestyle="",
            clip_on=False,
            zorder=3,
        )
    _scales(ax, xs, ys)
    if lines is not None:
        # On the final scales, so that no two labels, nor a label and the star, meet.
        ax.clabel(lines, fontsize=6, fmt="%.3g", manual=_label_places(ax, lines, place))
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=ax, label=f"{title} (star: {star})")


def _scales(ax: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Logarithmic axes where the range asks for it, cells whole, and the values as ticks where they have room."""
    for axis, scale, limits, found in (
        (ax.xaxis, ax.set_xscale, ax.set_xlim, xs),
        (ax.yaxis, ax.set_yscale, ax.set_ylim, ys),
    ):
        if _is_log(found):
            scale("log")
        edges = _edges(found)
        limits(edges[0], edges[-1])
        if _apart(found):
            # The values themselves: names of minor ticks of less than a decade run into each other.
            axis.set_ticks(found, [f"{value:.3g}" for value in found])
            axis.set_ticks([], minor=True)


def _label_places(ax: Axes, lines: Any, star: tuple[float, float]) -> list[tuple[float, float]]:
    """One place a contour, as far from the star and from each other's as it goes; none where that is too near."""
    to_axes = ax.transScale + ax.transLimits
    taken = [to_axes.transform(star)]
    places = []
    for path in lines.get_paths():
        points = path.vertices
        seen = to_axes.transform(points) if len(points) else np.empty((0, 2))
        # A label is wider than a point: it keeps off the border.
        inside = np.flatnonzero(((seen > _MARGIN) & (seen < 1 - _MARGIN)).all(axis=1))
        if not len(inside):
            continue
        away = np.linalg.norm(seen[inside, None] - np.asarray(taken)[None], axis=2).min(axis=1)
        if away.max() >= _LABELS_APART:
            chosen = inside[away.argmax()]
            places.append((float(points[chosen, 0]), float(points[chosen, 1])))
            taken.append(seen[chosen])
    return places


def _is_log(values: Sequence[float]) -> bool:
    return len(values) > 1 and min(values) > 0 and max(values) >= _LOG_FROM * min(values)


def _apart(values: Sequence[float]) -> bool:
    """Whether the labels of all values have room beside each other."""
    places = np.log(values) if _is_log(values) else np.asarray(values, dtype=np.float64)
    return len(places) == 1 or bool(np.diff(places).min() >= 0.12 * np.ptp(places))


def _edges(values: Sequence[float]) -> Any:
    """Borders of cells around ``values``: half-way, in the logarithm on a logarithmic axis."""
    log = _is_log(values)
    v = np.log(values) if log else np.asarray(values, dtype=np.float64)
    if len(v) == 1:
        edges = v[0] + np.array([-0.5, 0.5])
    else:
        middle = (v[1:] + v[:-1]) / 2
        edges = np.concatenate([[2 * v[0] - middle[0]], middle, [2 * v[-1] - middle[-1]]])
    return np.exp(edges) if log else edges
