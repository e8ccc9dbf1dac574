"""The curve as a table: every point of an experiment, or of arrays of settings, as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import Progress, curve_rows, silent
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.points import expand
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.floating import own_floating_state
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.comparison.curve_frame import CurveFrame
    from hermite.target import Target

#: What may be an array, and of which settings it is a field.
GRIDS = {"steps": Training, "eta": Training, "alpha": Ridge, "beta": Ridge, "lam": Ridge}


@own_floating_state
def curve(
    f: Experiment | Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    simulate: Simulation | bool = False,
    progress: Progress = silent,
    **grids: Iterable[float] | float,
) -> CurveFrame:
    """Test and train errors of the ridge fit at every point of a sweep: ``giantstep curve`` in Python.

    Parameters
    ----------
    f
        An ``Experiment`` (its own sweep), or a target, with the settings that follow.
    simulate
        Also simulate the real network: a ``Simulation``, or True (an experiment's own).
    grids
        ``steps``, ``eta``, ``alpha``, ``beta``, ``lam``: a number or an array each, whose product is the sweep.

    One row a point, with the columns of ``giantstep curve``'s CSV; what points share is computed once.
    A pandas DataFrame, whose ``to_xarray()`` is a grid with a dimension for every setting that varies (extra ``xarray``);
    ``attrs`` hold the version and the experiment, as JSON.
    Raises ``InputError`` for bad settings, or where no theory covers a point.

    >>> table = curve("z1 + He2(z1)/2", alpha=[1.0, 2.0], lam=[0.01, 0.1], steps=0)
    >>> table["test_error"].shape
    (4,)
    """
    import json

    from asymptotics.comparison.curve_frame import CurveFrame
    from asymptotics.sweeps.provenance import whole_config_of
    from asymptotics.version import __version__

    if not isinstance(simulate, (bool, Simulation)):
        raise InputError(f"simulate must be True, False or a Simulation, not {type(simulate).__name__}.")
    experiment = f if isinstance(f, Experiment) else _experiment(f, network, training, ridge, grids)
    if isinstance(f, Experiment) and (grids or any(s is not None for s in (network, training, ridge))):
        raise InputError("An experiment has its own network, training, ridge and grids; give it alone.")
    if isinstance(simulate, Simulation):
        experiment = replace(experiment, simulations=(simulate,))
    rows = curve_rows(experiment, bool(simulate), progress)
    table = CurveFrame([_flat(row) for row in rows])
    table.attrs = {"giantstep": __version__, "experiment": json.dumps(whole_config_of(experiment))}
    return table


def _experiment(
    f: Target | str,
    network: Network | None,
    training: Training | None,
    ridge: Ridge | None,
    grids: dict[str, Any],
) -> Experiment:
    """The sweep of ``grids`` about one training and one ridge."""
    from hermite.target import as_target

    unknown = [name for name in grids if name not in GRIDS]
    if unknown:
        raise InputError(f"curve takes grids of {', '.join(GRIDS)}, not of {', '.join(unknown)}.")
    axes: dict[type, dict[str, tuple[Any, ...]]] = {Training: {}, Ridge: {}}
    for name, given in grids.items():
        axes[GRIDS[name]][name] = _values(name, given)
    bases = {Training: training or Training(steps=0), Ridge: ridge or Ridge()}
    points = {}
    for kind, base in bases.items():
        own = {key: (value,) for key, value in vars(base).items()}
        # One grid of the dataclass, in which a field without an axis has its one value.
        points[kind] = expand(kind, own | axes[kind])
    return Experiment(
        as_target(f, classes=True),
        network or Network(),
        trainings=points[Training],
        ridges=points[Ridge],
        has_ridge=True,
    )


def _values(name: str, given: object) -> tuple[Any, ...]:
    values = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(values, (str, bytes)):
        raise InputError(f"{name} must be a number or an array of numbers, not {given!r}.")
    found = tuple(values) if isinstance(values, Iterable) else (values,)
    if not found:
        raise InputError(f"{name} must hold at least one number.")
    if not all(isinstance(value, Real) for value in found):
        raise InputError(f"{name} must be a number or a list of numbers, in one dimension.")
    return tuple(dict.fromkeys(found))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the simulation's columns beside the theory's, and the total error."""
    out = {key: value for key, value in row.items() if key not in ("simulation", "error")}
    out["error"] = row["error"]["total"]
    if row["simulation"] is not None:
        out |= {f"simulation_{key}": value for key, value in row["simulation"].items()}
    return out
