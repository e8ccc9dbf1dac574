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


#: Parts of the Axes between labels of contours, and from a label to the border.
_LABELS_APART, _MARGIN = 0.12, 0.06


def plot_map(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    quantity: str = "test_error",
    ax: Axes | None = None,
    best: tuple[float, float] | None = None,
) -> Axes:
    """``quantity`` over the columns ``x`` and ``y`` of ``rows``, which hold every pair of their values once.

    Cells are coloured, contours are drawn where there are at least three values on both axes; where there is no finite
    answer the cell stays empty. A star marks the least value (of a gain the largest), or ``best`` (x, y).
    """
    ax = axes_or_new(ax)
    xs, ys = (sorted({float(row[key]) for row in rows if math.isfinite(row[key])}) for key in (x, y))
    values = np.full((len(ys), len(xs)), np.nan)
    for row in rows:
        if row[quantity] is not None and math.isfinite(row[x]) and math.isfinite(row[y]):
            values[ys.index(float(row[y])), xs.index(float(row[x]))] = row[quantity]
    values[~np.isfinite(values)] = np.nan
    ax.grid(False)
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
        extreme = np.nanargmax(values) if quantity == "gain" else np.nanargmin(values)
        i, j = np.unravel_index(extreme, values.shape)
        place = best or (xs[j], ys[i])
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
    if lines is not None:
        # On the final scales, so that no two labels, nor a label and the star, meet.
        ax.clabel(lines, fontsize=6, fmt="%.3g", manual=_label_places(ax, lines, place))
    ax.set_xlabel(AXIS_LABELS.get(x, x))
    ax.set_ylabel(AXIS_LABELS.get(y, y))
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=ax, label=_label(quantity))
    return ax


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


def _label(quantity: str) -> str:
    if quantity == "gain":
        return "gain over random features (star: most)"
    return quantity.replace("_", " ") + " (star: least)"


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
