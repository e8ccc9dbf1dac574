"""Expansions and activations as text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asymptotics.text.tables import number, table

#: An error relative to its number that shows in four digits.
_SEEN = 5e-5


def expansion_text(expansion: Mapping[str, Any]) -> str:
    """The coefficients and the energies of ``giantstep expand``."""
    if expansion["exactness"] == "undecided":
        return f"undecided: {expansion['reason']}"
    from hermite.exact.telling import shortened

    beyond, errors = expansion["beyond_floats"], expansion["errors"]

    def told(path: str, value: float | None, stated: float | str) -> object:
        """The number with its error, where that is seen in the digits shown; one without a bound ("inf") stands alone."""
        shown, error = beyond.get(path, value), float(stated)
        if not math.isfinite(error):
            return shown
        return f"{number(shown)} ± {error:.1g}" if error > _SEEN * abs(value or 0.0) else shown

    coefficients = [
        [
            f"({k})",
            shortened(c["exact"], 60) if c["exact"] else None,
            told(f"coefficients.{k}", c["value"], c.get("error", 0.0)),
        ]
        for k, c in expansion["coefficients"].items()
    ]
    energies = [
        [k, told(f"energies.{k}", energy, errors.get(f"energies.{k}", 0.0))]
        for k, energy in enumerate(expansion["energies"])
    ]
    total, rest = (
        number(told(key, expansion[key], errors.get(key, 0.0))) for key in ("total_energy", "residual_energy")
    )
    parts = [
        table(["order of He", "coefficient", "value"], coefficients),
        table(["k", "energy"], energies),
        f"total energy E f^2  {total}\nabove order {expansion['order']:<8}{rest}",
        f"how this is known: {expansion['exactness']}",
    ]
    return "\n\n".join(parts)


def activations_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep activations``, then what each name stands for."""
    keys = [f"c_{k}" for k in range(4)]
    header = ["name", *keys, "parity", "cannot learn without biases"]
    body = [[row["name"], *(row[k] for k in keys), row["parity"], row["misses"]] for row in rows]
    written = [
        f"{row['name']}(x{''.join(f', {k} = {v}' for k, v in row['parameters'].items())}) = {row['expression']}"
        for row in rows
        if row["expression"] != f"{row['name']}(x)"
    ]
    return "\n\n".join([table(header, body), "\n".join(written)])
