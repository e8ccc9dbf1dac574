"""The cloud figure: the prediction lies where the neurons are."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from asymptotics import Network, Simulation, Training, overlaps, simulate
from asymptotics.figures.neuron_clouds import ellipse, plot_clouds
from hermite import Target


def test_an_ellipse_has_the_covariance_it_draws() -> None:
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    x, y = ellipse((1.0, -1.0), covariance)
    gap = np.stack([x - 1, y + 1])
    np.testing.assert_allclose(np.einsum("in,ij,jn->n", gap, np.linalg.inv(covariance), gap), 4.0)


def test_clouds_are_drawn_step_by_step() -> None:
    f, network, training = Target("z1 + z1*z2"), Network(), Training(steps=2, alpha=4.0, eta=1.5)
    theory = overlaps(f, network, training)
    measured = simulate(
        f, network, training, None, Simulation(d=200, width=100, replicates=2, test_samples=500)
    ).overlaps
    assert measured is not None
    assert measured.samples is not None
    axes = plot_clouds(theory, Figure(figsize=(7, 3)), measured)
    assert [ax.get_title() for ax in axes] == ["$t = 0$", "$t = 1$", "$t = 2$"]
    dots, centres = (line.get_xydata() for line in axes[2].lines[:2])
    # Neurons fall into two clouds around the two predicted means, with the spread O(1/√d) of the start.
    nearest = np.min(np.linalg.norm(np.asarray(dots)[:, None] - np.asarray(centres)[None], axis=2), axis=1)
    assert np.median(nearest) < 4 / np.sqrt(200)
