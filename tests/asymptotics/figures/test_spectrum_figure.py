"""The figure of a spectrum: a scale that shows a spike of one count, and puts no kink into the theory without need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from asymptotics import Network, Ridge, Training, spectrum
from asymptotics.figures.spectrum_figure import close_spikes, plot_spectrum
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


def test_spikes_that_are_close_have_one_label(predicted: FeatureSpectrum) -> None:
    assert close_spikes(np.array([90.0, 52.0, 50.0, 49.0, 20.0]), 5.0) == [
        slice(0, 1),
        slice(1, 4),
        slice(4, 5),
    ]
    assert close_spikes(np.zeros(0), 5.0) == []
    found = replace(
        predicted,
        spikes=np.array([400.0, 72.0, 70.0, 68.0]),
        features=np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
        off=np.array([0.0, 1.0, 1.0, 1.0]),
        on_target=np.array([[0.0], [0.4], [0.0], [0.0]]),
    )
    words = [text.get_text() for text in plot_spectrum(found, Figure().add_subplot()).texts]
    assert len(words) == 2
    assert "second-order" in words[1]
    assert words[1].count("large labels") == 1
