"""The DataFrame that ``curve`` returns: pandas's, whose ``to_xarray`` knows what is an axis of the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hermite.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

#: Settings that may be axes; what else varies (n, n2, p) follows from them.
AXES = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d", "simulation_d")


class CurveFrame(pd.DataFrame):
    """One row a point of the sweep."""

    @property
    def _constructor(self) -> type[CurveFrame]:
        return CurveFrame

    def to_xarray(self) -> xr.Dataset:  # type: ignore[misc] # "final" in the stubs alone
        """A grid: a dimension for every setting that takes several values, the others as coordinates of one value.

        What was not trained has no alpha_train and no eta: it stands at all of them. With an index of your own
        (``set_index``) it is that of pandas. Raises ``InputError`` without the extra ``xarray``, ``ValueError`` where two
        rows have the same settings.
        """
        import importlib.util

        if importlib.util.find_spec("xarray") is None:
            raise InputError('An array needs the extra "xarray": pip install "giantstep[xarray]".')
        if self.index.names != [None]:
            return pd.DataFrame(self).to_xarray()
        values = {key: self[key].dropna().unique().tolist() for key in AXES if key in self}
        several = [key for key in values if len(values[key]) > 1] or ["step"]
        table: Any = pd.DataFrame(self)
        for key in several:
            table = table.assign(**{key: [[v] if pd.notna(v) else values[key] for v in table[key]]}).explode(
                key
            )
        table = table.infer_objects()
        single = {key: found[0] for key, found in values.items() if len(found) == 1 and key not in several}
        grid = table.drop(columns=list(single)).set_index(several).to_xarray()
        return grid.assign_coords(single).assign_attrs(self.attrs)
