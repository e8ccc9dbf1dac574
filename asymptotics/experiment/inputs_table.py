"""The table [inputs] of an experiment file: clusters on named axes, a spectrum of the bulk, the teacher's place in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from asymptotics.experiment import schema
from asymptotics.experiment.inputs import Array, Cluster, Inputs
from hermite.errors import InputError

_CLUSTER = ("weight", "mean", "variances", "covariance", "bulk", "label", "far")
_AXIS = re.compile(r"([zm])([1-9]\d*)")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
#: Of a file of eigenvalues; and the largest eigenvalue whose squares are floats.
_MOST_BYTES, _LARGEST = 30_000_000, 1e100


def read_inputs(data: Mapping[str, Any], r: int) -> Inputs:
    """The inputs that a table of known keys describes for a target of ``r`` variables.

    Raises :class:`InputError` with every problem at once.
    """
    fractions, variances = _spectrum(data)
    teacher = data.get("teacher", "axes" if "clusters" in data or "spectrum" not in data else "generic")
    if "clusters" not in data and isinstance(teacher, str):
        found = _of_spectrum(fractions, variances, teacher, r)
    else:
        if isinstance(teacher, str) and teacher != "axes":
            raise InputError(
                'inputs.teacher must be "axes" or rows of numbers beside inputs.clusters: "generic" and "block 3" go with a '
                "spectrum alone."
            )
        found = _of_clusters(
            data.get("clusters", [{}]), fractions, variances, None if teacher == "axes" else teacher, r
        )
    labels = data.get("labels", "function")
    if labels == "function":
        return found
    if (
        not isinstance(labels, list)
        or len(labels) != len(found.clusters)
        or not all(isinstance(x, str) for x in labels)
    ):
        raise InputError(
            f'inputs.labels must be "function", or an expression such as "1" for each of the {len(found.clusters)} clusters, not '
            f"{schema.show(labels)}."
        )
    return replace(found, clusters=[replace(c, label=x) for c, x in zip(found.clusters, labels, strict=True)])


def _spectrum(data: Mapping[str, object]) -> tuple[Array, Array]:
    """Fractions and variances of the blocks."""
    given = data.get("spectrum")
    if given is None:
        fractions = _rows(data.get("fractions", [1.0]), 1, "inputs.fractions must be a list of numbers")
        return fractions, np.ones(len(fractions))
    if "fractions" in data:
        raise InputError("inputs.fractions goes without inputs.spectrum, which has fractions of its own.")
    allowed = (
        '{law = "power", exponent = 0.8, blocks = 12}, {blocks = [[fraction, variance], ...]} or '
        '{file = "eigenvalues.csv", blocks = 12}'
    )
    if not isinstance(given, Mapping):
        raise InputError(f"inputs.spectrum must be {allowed}, not {schema.show(given)}.")
    blocks = given.get("blocks", 12)
    if set(given) == {"blocks"} and isinstance(blocks, list):
        pairs = "inputs.spectrum.blocks must be pairs [fraction, variance]"
        table = _rows(blocks, 2, pairs)
        if table.shape[1] != 2:
            raise InputError(f"{pairs}, not {schema.show(blocks)}.")
        if not np.all(table[:, 0] > 0) or not np.isclose(table[:, 0].sum(), 1.0, rtol=1e-9, atol=0):
            raise InputError(
                f"{pairs}, of fractions that are positive and sum to 1, not {schema.show(blocks)}."
            )
        return table[:, 0], table[:, 1]
    if isinstance(blocks, bool) or not isinstance(blocks, int) or not 1 <= blocks <= 50:
        raise InputError(
            f"inputs.spectrum.blocks must be a whole number from 1 to 50, not {schema.show(blocks)}."
        )
    if set(given) - {"blocks"} == {"law", "exponent"} and given["law"] == "power":
        exponent = given["exponent"]
        if isinstance(exponent, bool) or not isinstance(exponent, (int, float)) or not 0 <= exponent < 1:
            raise InputError(
                f"inputs.spectrum.exponent must be a number from 0 to below 1, not {schema.show(exponent)}."
            )
        edges = np.linspace(0, 1, blocks + 1)
        return np.full(blocks, 1 / blocks), np.diff(edges ** (1 - exponent)) * blocks
    if set(given) - {"blocks"} == {"file"}:
        if not isinstance(given["file"], str):
            raise InputError(
                f"inputs.spectrum.file must be the name of a file, not {schema.show(given['file'])}."
            )
        return quantile_blocks(_eigenvalues(given["file"]), blocks)
    raise InputError(f"inputs.spectrum must be {allowed}, not {schema.show(dict(given))}.")


def beside(data: Mapping[str, Any], folder: Path | None) -> Mapping[str, Any]:
    """``data`` of a whole experiment, its file of eigenvalues found in ``folder`` where one of that name lies there."""
    inputs = data.get("inputs")
    spectrum = inputs.get("spectrum") if isinstance(inputs, Mapping) else None
    name = spectrum.get("file") if isinstance(spectrum, Mapping) else None
    if folder is None or not isinstance(name, str) or "\0" in name or not (folder / name).is_file():
        return data
    assert isinstance(inputs, Mapping)
    assert isinstance(spectrum, Mapping)
    return {**data, "inputs": {**inputs, "spectrum": {**spectrum, "file": str(folder / name)}}}


def quantile_blocks(eigenvalues: object, blocks: int) -> tuple[Array, Array]:
    """Fractions and mean variances of the eigenvalues of a covariance in so many parts, largest first; blocks of 0 are kept.

    >>> quantile_blocks([4.0, 2.0, 1.0, 1.0], 2)[1].tolist()
    [3.0, 1.0]
    """
    if isinstance(blocks, bool) or not isinstance(blocks, int) or blocks < 1:
        raise InputError(f"blocks must be a whole number of at least 1, not {schema.show(blocks)}.")
    try:
        values = np.sort(np.asarray(eigenvalues, float).ravel())[::-1]
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0)
    problem = _no_spectrum(values)
    if problem:
        raise InputError(f"a spectrum must be {problem}.")
    parts = np.array_split(np.maximum(values, 0.0), min(blocks, len(values)))
    return np.array([len(part) / len(values) for part in parts]), np.array([part.mean() for part in parts])


def _no_spectrum(values: Array) -> str:
    """What ``values``, largest first, ought to be; nothing if they are."""
    if not values.size or not np.all(np.isfinite(values)):
        return "finite numbers, at least one"
    if values[0] <= 0 or values[-1] < -1e-9 * values[0]:
        return "numbers of at least 0, one of them positive"
    return f"numbers up to {_LARGEST:g}" if values[0] > _LARGEST else ""


def _eigenvalues(path: str) -> Array:
    """The eigenvalues of a text file: one a line, or all in one; what follows a # is none."""
    try:
        if Path(path).is_dir() or (Path(path).exists() and not Path(path).is_file()):
            raise ValueError("it is no file")
        with Path(path).open(encoding="utf-8-sig") as stream:
            text = stream.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError(f"it is longer than {_MOST_BYTES:.0e} characters")
        return _numbers_of(text)
    except UnicodeDecodeError:
        reason = "it is no text"
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:
        reason = str(error)
    raise InputError(f"Cannot read the spectrum {path!r}: {reason}.")


def _numbers_of(text: str) -> Array:
    lines = [re.split(r"[\s,;]+", line.partition("#")[0].strip(" \t\r,;")) for line in text.splitlines()]
    rows = [row for row in lines if row != [""]]
    if len(rows) > 1 and any(len(row) > 1 for row in rows):
        raise ValueError("it must have one eigenvalue a line, or all of them in one line")
    values = []
    for word in (word for row in rows for word in row):
        if not _DECIMAL.fullmatch(word):
            raise ValueError(f"it must hold numbers, one eigenvalue each, not {schema.show(word)}")
        values.append(float(word))
    found = np.sort(np.array(values))[::-1]
    problem = _no_spectrum(found)
    if problem:
        raise ValueError(f"it must hold {problem}")
    return found


def _of_spectrum(fractions: Array, variances: Array, teacher: object, r: int) -> Inputs:
    if teacher == "axes":
        return Inputs((Cluster(1.0, np.zeros(r), np.eye(r), variances),), fractions)
    block = re.fullmatch(r"block ([1-9]\d*)", teacher) if isinstance(teacher, str) else None
    if teacher != "generic" and (block is None or int(block[1]) > len(variances)):
        raise InputError(
            f'inputs.teacher must be "axes", "generic", "block 1" to "block {len(variances)}", or a row of numbers a variable, '
            f"not {schema.show(teacher)}."
        )
    return Inputs.spectrum(variances, fractions, "generic" if block is None else int(block[1]), r)


def _of_clusters(given: object, fractions: Array, variances: Array, teacher: object, r: int) -> Inputs:
    if not isinstance(given, list) or not given or not all(isinstance(c, Mapping) for c in given):
        raise InputError(
            "inputs.clusters must be a list of tables such as {weight = 0.5, mean = {z1 = 1.0}}."
        )
    problems, names = [], []
    for cluster in given:
        for key, value in cluster.items():
            if key not in _CLUSTER:
                near = schema.suggestion(str(key), _CLUSTER)
                problems.append(f"A cluster has no key {key!r}{near}; it has {', '.join(_CLUSTER)}.")
            elif key in ("mean", "variances") and isinstance(value, Mapping):
                names += list(value)
    for name in names:
        if not _AXIS.fullmatch(name):
            problems.append(f"A named axis is z1, z2, ... (of the target) or m1, m2, ..., not {name!r}.")
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    lengths = [len(c["mean"]) for c in given if isinstance(c.get("mean"), list)]
    lengths += [len(c["covariance"]) for c in given if isinstance(c.get("covariance"), list)]
    places = _places(names, r, None if teacher is None else _rows(teacher, 2, _TEACHER).shape[1])
    count = max([len(places), *lengths])
    return Inputs([_cluster(c, places, count, variances) for c in given], fractions, teacher)


_TEACHER = "inputs.teacher must be rows of numbers, one a variable of the target"


def _rows(value: Any, dimensions: int, wanted: str) -> Array:
    """A list of numbers, or rows of equally many of them; anything else is refused by the sentence ``wanted``."""
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(())
    if found.ndim != dimensions or not found.size or np.asarray(value).dtype.kind not in "iuf":
        raise InputError(f"{wanted}, not {schema.show(value)}.")
    return found


def _places(names: list[str], r: int, columns: int | None) -> dict[str, int]:
    """z1.. first, then m1.. in order: as many z as variables, or as a teacher's ``columns`` leave to them, or as are named."""
    ranks = [(kind, int(number)) for kind, number in (_split(name) for name in names)]
    most = {kind: max([number for k, number in ranks if k == kind], default=0) for kind in "zm"}
    first = max(r if columns is None else columns - most["m"], most["z"])
    order = [f"z{i + 1}" for i in range(first)] + [f"m{i + 1}" for i in range(most["m"])]
    return {name: place for place, name in enumerate(order)}


def _split(name: str) -> tuple[str, str]:
    match = _AXIS.fullmatch(name)
    assert match is not None
    return match[1], match[2]


def _cluster(given: Mapping[str, Any], places: Mapping[str, int], count: int, variances: Array) -> Cluster:
    mean, covariance = given.get("mean", {}), given.get("covariance")
    if isinstance(mean, Mapping):
        mean = _on_axes(mean, places, np.zeros(count))
    if covariance is None:
        covariance = np.diag(_on_axes(given.get("variances", {}), places, np.ones(count)))
    elif "variances" in given:
        raise InputError("a cluster has a covariance or variances, not both.")
    bulk = given.get("bulk")
    if bulk is None:
        bulk = variances
    elif not isinstance(bulk, list):
        bulk = np.full(len(variances), _number(bulk, "bulk"))
    weight, far = _number(given.get("weight", 1.0), "weight"), _number(given.get("far", 0.0), "far")
    return Cluster(weight, mean, covariance, bulk, given.get("label"), far)


def _on_axes(values: object, places: Mapping[str, int], start: Array) -> Array:
    if not isinstance(values, Mapping):
        raise InputError(
            f"variances of a cluster must be given by axis, such as {{z1 = 0.5}}, not {schema.show(values)}."
        )
    for name, value in values.items():
        start[places[name]] = _number(value, name)
    return start


def _number(value: Any, name: str) -> float:
    """A number, or a fraction as text."""
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(Fraction(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise InputError(
            f'{name} of a cluster must be a number or a fraction such as "1/2", not {schema.show(value)}.'
        ) from None
