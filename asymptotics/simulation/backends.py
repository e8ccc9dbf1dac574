"""Array backends: the same simulation on NumPy, PyTorch (CPU or CUDA) or any namespace of the array API standard.

A backend owns the stream of normals: NumPy's is drawn on the host, block by block from substreams (any namespace of the
standard that has no generator of its own is sent those), PyTorch's on the device, by one generator a stream. Which stream it
is belongs to the identity of a unit of work. Everything that grows with the samples stays on the device: batches, labels,
sums over chunks in double precision, the ridge fit; what is fetched is what is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.simulation.seeds import BLOCK, generator, normal_chunks, seed_of
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[Any]
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Backend:
    """A namespace ``xp`` of the array API standard and a device of it (None: its default).

    ``most_rows``: samples of a chunk, however much memory there is.
    """

    xp: Any = np
    device: Any = None
    most_rows: int = 4096

    #: The stream of normals, as the identity of a unit names it.
    stream = "numpy"

    def send(self, x: Array) -> Any:
        """A NumPy array on the device; NumPy itself keeps the array."""
        if self.xp is np:
            return x
        return self.xp.asarray(x, device=self.device)

    def fetch(self, x: object) -> Array:
        """An array of the backend as a NumPy array."""
        if self.xp is np:
            return np.asarray(x)
        return np.asarray(x.cpu() if hasattr(x, "cpu") else x)

    def zeros(self, *shape: int) -> Any:
        """Zeros in double precision on the device."""
        return self.xp.zeros(shape, dtype=self.xp.float64, device=self.device)

    def double(self, x: Any) -> Any:
        """``x`` (an array of the backend) in double precision."""
        return self.xp.astype(x, self.xp.float64)

    def functions(self, activation: Activation) -> tuple[Function, Function]:
        """(σ, σ') on arrays of the backend."""
        if self.xp is np:
            return activation.function, activation.slope
        return activation.for_namespace(self.xp)

    def target(self, f: Target) -> Function:
        """f at fields (m, r) of the backend, (m,) in double precision there; a Python callable goes through the host."""
        if self.xp is not np and f.tree is not None and f.gram is None:
            from hermite.language.evaluation import compile_array

            values = compile_array(f.tree, self.xp)
            return lambda fields: values(self.double(fields))

        def on_host(fields: object) -> object:
            here = np.ascontiguousarray(self.fetch(fields), dtype=np.float64)
            return self.send(np.asarray(f(here), dtype=np.float64))

        return on_host

    def normal_chunks(
        self, entropy: int, key: tuple[int, ...], n: int, width: int, rows: int, dtype: npt.DTypeLike
    ) -> Iterator[Any]:
        """n rows of ``width`` standard normals on the device, at most ``rows`` (at least a block) at a time.

        A chunk may be overwritten by the next. Equal rows for any ``rows``.
        """
        for chunk in normal_chunks(entropy, key, n, width, rows, dtype):
            yield self.send(chunk)

    def normals(self, entropy: int, *key: int) -> Callable[..., Any]:
        """A stream of its own: called with a shape, standard normals in double precision on the device."""
        rng = generator(entropy, *key)
        return lambda *shape: self.send(rng.standard_normal(shape))


@dataclass(frozen=True)
class TorchBackend(Backend):
    """PyTorch: normals come from a generator on the device (Philox on a GPU), one a stream, a block of rows at a time."""

    stream = "torch"

    def _generator(self, entropy: int, key: tuple[int, ...]) -> object:
        import torch

        return torch.Generator(device=self.device).manual_seed(seed_of(entropy, *key))

    def normal_chunks(
        self, entropy: int, key: tuple[int, ...], n: int, width: int, rows: int, dtype: npt.DTypeLike
    ) -> Iterator[Any]:
        """See :class:`Backend`; blocks are drawn whole, so that the last one does not depend on where n ends."""
        rng = self._generator(entropy, key)
        rows = max(BLOCK, rows // BLOCK * BLOCK)
        kind = getattr(self.xp, np.dtype(dtype).name)
        buffer = self.xp.empty((min(rows, -(-n // BLOCK) * BLOCK), width), dtype=kind, device=self.device)
        for start in range(0, n, rows):
            count = min(rows, n - start)
            for first in range(0, count, BLOCK):
                buffer[first : first + BLOCK].normal_(generator=rng)
            yield buffer[:count]

    def normals(self, entropy: int, *key: int) -> Callable[..., Any]:
        """See :class:`Backend`."""
        import torch

        rng = self._generator(entropy, key)
        return lambda *shape: torch.randn(shape, generator=rng, dtype=torch.float64, device=self.device)


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
    # A processor's chunks stay in its cache; a graphics card is slower on small ones.
    return TorchBackend(xp, found, most_rows=4096 if found.type == "cpu" else 65536)


#: Streams of normals by the name of the backend: part of what a stored unit is.
STREAMS = {"numpy": Backend.stream, "torch": TorchBackend.stream}
