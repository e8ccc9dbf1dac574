"""A two-layer network trained in plain PyTorch lands on giantstep's curve.

Nothing of giantstep is used to train: nn.MSELoss, torch.optim.SGD, a learning rate. The map of conventions says which eta
that is, ``overlaps`` predicts what the first layer learns, and both are printed side by side.

    python examples/plain_pytorch.py
"""

from __future__ import annotations

import numpy as np
import torch

from asymptotics import Network, Training, overlaps
from hermite import Target

D, P, ALPHA, STEPS, LEARNING_RATE = 1000, 200, 4.0, 2, 100.0


class TwoLayers(torch.nn.Module):
    """f(z) = (1/p) Σ ã_i relu(⟨w_i, z⟩), ã = ±1, neurons in pairs so that the first output is 0."""

    def __init__(self, d: int, p: int) -> None:
        super().__init__()
        half = torch.randn(p // 2, d)
        half = half / half.norm(dim=1, keepdim=True)
        self.first = torch.nn.Linear(d, p, bias=False)
        self.first.weight.data = torch.cat([half, half.flip(0)])
        self.register_buffer("readout", torch.cat([torch.ones(p // 2), -torch.ones(p // 2)]))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(z)) @ self.readout / len(self.readout)


def train(seed: int = 0, d: int = D, p: int = P, steps: int = STEPS) -> np.ndarray:
    """Mean overlaps with z1 and z2 of the neurons of readout +1 after each step, shape (steps, 2)."""
    torch.manual_seed(seed)
    model = TwoLayers(d, p)
    loss, optimiser = torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=LEARNING_RATE * p / P)
    found = []
    for _ in range(steps):
        z = torch.randn(round(ALPHA * d), d)
        y = z[:, 0] + z[:, 0] * z[:, 1]
        optimiser.zero_grad()
        loss(model(z), y).backward()
        optimiser.step()
        found.append(model.first.weight.detach()[: p // 2, :2].mean(dim=0).numpy())
    return np.array(found)


def predicted(d: int = D, p: int = P, steps: int = STEPS) -> np.ndarray:
    """What giantstep says of the same: the learning rate is told in PyTorch's convention."""
    rate = LEARNING_RATE * p / P
    training = Training.from_learning_rate(rate, "pytorch", p=p, d=d, alpha=ALPHA, steps=steps)
    result = overlaps(Target("z1 + z1*z2"), Network(activation="relu"), training)
    return np.array([step.M[int(np.argmax(step.readout))] for step in result.steps[1:]])


if __name__ == "__main__":
    runs = np.array([train(seed) for seed in range(8)])
    mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    theory = predicted()
    for t in range(STEPS):
        for m in range(2):
            print(
                f"step {t + 1}, z{m + 1}: PyTorch {mean[t, m]:.4f} ± {error[t, m]:.4f}, theory {theory[t, m]:.4f}"
            )
