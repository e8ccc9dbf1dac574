"""The figure of a spectrum: a scale that shows a spike of one count, and puts no kink into the theory without need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from asymptotics import Network, Ridge, Training, spectrum
from asymptotics.figures.spectrum_figure import plot_spectrum
from asymptotics.generalisation.feature_spectrum import FeatureSpectrum
from hermite import Target


@pytest.fixture(scope="module")
def predicted() -> FeatureSpectrum:
    return spectrum(Target("z1"), Network(), Training(steps=1), Ridge(d=60))


@pytest.mark.parametrize(
    ("values", "scale"),
    [(None, "linear"), ([1.0, 2.0, 2.0, 30.0], "linear"), ([2.0] * 60 + [30.0], "symlog")],
    ids=["the theory alone", "few a bin", "many a bin"],
)
def test_the_scale_is_logarithmic_where_bins_hold_many(
    predicted: FeatureSpectrum, values: list[float] | None, scale: str
) -> None:
    found = replace(predicted, simulated=None if values is None else np.array(values))
    ax = plot_spectrum(found, Figure().add_subplot())
    assert ax.get_yscale() == scale
    assert ax.get_ylim()[0] == 0.0
