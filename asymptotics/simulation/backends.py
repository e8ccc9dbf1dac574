"""Array backends: the same simulation on NumPy, PyTorch (CPU or CUDA) or any namespace of the array API standard.

Samples are always drawn by NumPy on the host, so that every backend sees the same numbers; products and activations run
where the backend puts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from hermite.errors import InputError

Array = npt.NDArray[Any]
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Backend:
    """A namespace ``xp`` of the array API standard and a device of it (None: its default)."""

    xp: Any = np
    device: Any = None

    def send(self, x: Array) -> Any:
        """A NumPy array on the device; NumPy itself keeps the array."""
        if self.xp is np:
            return x
        return self.xp.asarray(x, device=self.device)

    def fetch(self, x: Any) -> Array:
        """An array of the backend as a NumPy array."""
        if self.xp is np:
            return np.asarray(x)
        return np.asarray(x.cpu() if hasattr(x, "cpu") else x)

    def functions(self, activation: Activation) -> tuple[Function, Function]:
        """(σ, σ') on arrays of the backend."""
        if self.xp is np:
            return activation.function, activation.slope
        return activation.for_namespace(self.xp)


NUMPY = Backend()


def get_backend(name: str, device: str) -> Backend:
    """The backend that an experiment names; raises ``InputError`` if it is not installed or the device is not there."""
    if name == "numpy":
        if device != "cpu":
            raise InputError(f'simulation.device must be "cpu" with backend = "numpy", not {device!r}.')
        return NUMPY
    try:
        import array_api_compat.torch as xp
        import torch
    except ImportError:
        raise InputError(
            'simulation.backend = "torch" needs the extra "torch": pip install "giantstep[torch]".'
        ) from None
    try:
        found = torch.device(device)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"simulation.device {device!r} cannot be used: {reason}.") from None
    return Backend(xp, found)
