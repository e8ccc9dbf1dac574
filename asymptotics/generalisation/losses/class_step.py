r"""Units of a layer after one giant step on class labels, for targets of one or two directions.

The layer is that of isotropic inputs as one cluster whose named axes are the target's (moments m, 1, m, 1 of the labels); in
the basis of the spike u and of θ, w*_m = Γ_m u + Σ_l S_ml θ_l, S = (1 − Γ Γᵀ)^{1/2}, it is what the fit asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.label_rows import class_moments
from asymptotics.experiment.inputs import Cluster, Inputs
from asymptotics.generalisation.losses.label_grid import turning
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, units_of_layer
from asymptotics.generalisation.spiked.target_moments import root_of_rest
from asymptotics.learning.groups import Groups
from asymptotics.learning.structured.layer import MixtureLayer, trained_layer
from asymptotics.learning.structured.moments import RawMoments
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Parts of the target's directions off the spike of less than this are none.
_NONE = 1e-7


def class_step_units(
    f: Target,
    sigma: Activation,
    groups: Groups,
    eta: float,
    alpha: float,
    breaks: Sequence[float] = (),
    *,
    finer: bool = False,
) -> tuple[Units, Array]:
    """The units after a step on n = ``alpha`` d labels of ``f``, and the overlap Γ (r, 1) of their spike.

    ``breaks``: more ends of panels of κ; ``finer``: at more nodes.
    """
    mean, first, second, _ = class_moments(f)
    # E y^k is m, 1, m, 1.
    moments = RawMoments(
        np.array([mean, 1.0, mean, 1.0]),
        np.array([first, np.zeros(f.r), first]),
        np.array([second, np.eye(f.r)]),
    )
    layer = trained_layer(f, sigma, isotropic_inputs(f.r), groups, eta, alpha, [moments])
    assert layer.u is not None
    overlap = layer.teacher @ layer.u[:, None]
    rho = layer.bulk[0] / _outer(layer)
    slope, own = turning(f, overlap)
    units = units_of_layer(
        sigma,
        SpikedNeurons(
            layer.c[:, None],
            _norm2(layer),
            groups.fraction,
            groups.bias,
            groups.pairs,
            rho=rho[:, 0, 1] if groups.pairs is not None else None,
            v=_on(_basis(layer, overlap), layer),
        ),
        f.r,
        slope,
        [*own, *breaks],
        finer=finer,
    )
    return units, overlap


def isotropic_inputs(r: int) -> Inputs:
    """Isotropic inputs whose named axes are ``r`` directions."""
    return Inputs((Cluster(1.0, np.zeros(r), np.eye(r), (1.0,)),))


def _norm2(layer: MixtureLayer) -> Array:
    """s (A,)."""
    out = np.empty(len(layer.c))
    out[layer.members] = np.einsum("ubb->ub", layer.bulk[0])
    return out


def _outer(layer: MixtureLayer) -> Array:
    """√(s s') (U, B, B)."""
    root = np.sqrt(np.einsum("ubb->ub", layer.bulk[0]))
    found: Array = root[:, :, None] * root[:, None, :]
    return found


def _basis(layer: MixtureLayer, overlap: Array) -> Array:
    """u and θ as rows (1 + r, n) on the layer's axes; directions that lie on the spike have θ = 0."""
    assert layer.u is not None
    off = layer.teacher - overlap * layer.u
    root = root_of_rest(overlap)
    theta = np.linalg.pinv(root, rcond=_NONE, hermitian=True) @ off
    return np.concatenate([layer.u[None], theta])


def _on(basis: Array, layer: MixtureLayer) -> Array:
    """Σ along ``basis`` over √(s s') (U, B, B, 1 + r, 1 + r)."""
    block = np.einsum("ie,ubcef,jf->ubcij", basis, layer.sigma, basis)
    found: Array = block / _outer(layer)[..., None, None]
    return found
