"""The page of troubleshooting: every sentence that refuses something, read from the sources, under the advice "
"for its kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: (title, sentences of the kind, what is wrong and what to change); the first kind that matches counts.
KINDS = (
    (
        "The rate is too large",
        r"too large: (the|neurons)|eta is too large|overflow|diverge|could not be integrated|eta must be below|"
        r"lost above the bulk",
        "The weights or the moments grow beyond what numbers hold or the law covers. Make `training.eta` "
        "smaller (a factor of 3 is "
        "a good start; `giantstep tune` finds the best one), take fewer steps, or for online SGD keep the "
        "neurons on the sphere "
        '(`training.projection = "projected"`).',
    ),
    (
        "The fit has no finite error",
        r"lambda = 0|degenerate|singular system|lambda must be",
        "Without a penalty the fit interpolates, and at as many samples as features its error is infinite, or "
        "the features depend "
        "on each other. Give `ridge.lambda` a small positive value, or another ratio `ridge.alpha` / `ridge.beta`.",
    ),
    (
        "A solver did not reach its answer",
        r"residual|did not (end|close)|method … is unknown|have no solution",
        "Exit code 3: the equations were not solved to the accuracy that is promised, so no number is given. A "
        "larger "
        "`ridge.lambda` or a smaller `training.eta` moves the setting away from the singular point.",
    ),
    (
        "Stores of sweeps",
        r"store|Parquet|workers must",
        "A store belongs to one experiment and one run at a time, on a local disk. Name another with `--store`, "
        "wait for the other "
        "run, or start anew by moving the file away; what is refused is left as it is.",
    ),
    (
        "Files and folders",
        r"Cannot (read|write|make)|in the way|UTF-8|valid (TOML|JSON)|larger than 1 MB|no name of|"
        r"must not be empty|standard input",
        "The path, its permissions or the form of the file. The folder for `--out` is made, the folders above "
        "it must be there; "
        "`giantstep init` prints a file that is right, and its first line lets an editor check yours as you type.",
    ),
    (
        "Your own measurements",
        r"[Tt]he data|data must|row of the data|_sem|no point to validate|finite theory and simulation",
        "`validate --data` takes columns as our tables have them: settings that the file has several values of, "
        "and test_error or "
        "train_error with standard errors (one row a point) or without (one row a run, three runs at least).",
    ),
    (
        "Clusters and covariances of inputs",
        r"[Ii]nputs|cluster|spectrum must|spectrum\.|teacher|power law|spectrum covers|Boolean",
        "The table `[inputs]` gives other laws of the inputs; not every question has an answer for them. Leave "
        "the table out for "
        "isotropic inputs, or simulate.",
    ),
    (
        "Online SGD and reused batches",
        r"protocol|escape|threshold|training\.time|training\.start|leaves? its start|never learned by|"
        r"n samples a step|reused",
        "Each protocol has keys of its own, and laws only where a limit is known. The sentence names the key; "
        "`--simulate` answers "
        "where no law does.",
    ),
    (
        "The simulator",
        r"simulation\.|simulation |remove_orders needs|simulated|extra \"torch\"|Dask|extra \"dask\"|worker",
        "The real network needs whole counts, memory and the backend that is named. `simulation.method` says "
        "how it is simulated: "
        '"direct" is the network itself, "reduced" the same law at a cost free of d.',
    ),
    (
        "Theories at finite d",
        r"finite d|ridge\.d|batch_exponent = 2|learned directions",
        "The theory for all n, p, d covers fewer targets than the limit. Leave `ridge.d` out, or ask for "
        '`ridge.regime = "proportional"`: the answer then states what it leaves out.',
    ),
    (
        "No theory covers the setting",
        r"no (law|theory|schedule)|not covered|cover|simulate|ridge\.level|no batches",
        "Nothing is known in closed form for this combination; `asymptotics.theories(...)` lists what is, and "
        "why not the rest. "
        "Change the key that the sentence names, or use `giantstep simulate`.",
    ),
    (
        "Averages that are not sure enough",
        r"known to|averages|undecided|too sharp|not told from|could not be proved|outgrows|not finite|"
        r"finite test error|does not converge",
        "An average over the target or the activation is not known to the accuracy asked for, or not proved "
        "finite. Ask for less "
        "`accuracy`, smooth what is very steep, scale what is very large, or write the target along its kinks.",
    ),
    (
        "More than anybody means",
        r"--force|too large|too high|at most|more than|longer than|too many|limit of|not below|does not fit|"
        r"below 2\^62|holds? at most|"
        r"floating|floats|scale",
        "Work is bounded before it begins, and numbers are floats. Make the grid, the degree or the number "
        "smaller; `--force` "
        "computes an experiment of any size.",
    ),
    (
        "The target's expression",
        r"expression|variables|gram|target|g must|x must have|r must be|labels|name|constant",
        "Targets are written in z1, z2, ...; `2z1` is `2*z1`, exponents are whole numbers, and E f² must be "
        "finite. The page on the "
        "[expression language](language.md) has all functions and limits; the column in the sentence is where "
        "reading stopped.",
    ),
    (
        "A value out of its range",
        r"must (be|hold|map|lie|have|broadcast|end)|needs|takes|differ|go(es)? with|give it alone|has no|covers|"
        r"one of|",
        "The sentence names the key, what was given and what is allowed; `giantstep init --all` prints every "
        "key with its range, and "
        "[the experiment file](experiment-file.md) explains them.",
    ),
)


def sentences() -> Iterator[str]:
    """Every sentence of an InputError or ConvergenceError in the sources, what is filled in as an ellipsis."""
    for package in ("hermite", "asymptotics"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    text = _text(node.args[0]) if node.func.id in ("InputError", "ConvergenceError") else ""
                    # A sentence that is handed on has no words of its own.
                    if re.search(r"[a-z]{3}", text):
                        yield text


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def kind_of(sentence: str) -> str:
    """The title of its kind."""
    return next(title for title, pattern, _ in KINDS if re.search(pattern, sentence))


def troubleshooting_page() -> str:
    """The page as Markdown."""
    found: dict[str, list[str]] = {title: [] for title, _, _ in KINDS}
    for sentence in dict.fromkeys(sentences()):
        found[kind_of(sentence)].append(sentence)
    lines = [
        "# Troubleshooting",
        "",
        "What is refused is refused before any work, in one sentence that names the setting, what was given and "
        "what is allowed",
        "(exit code 2; Python: `InputError`). Here are the sentences, by kind, with what to change; … stands "
        "for what is filled in.",
        "What each key of a file may be is in [the experiment file](experiment-file.md), where its refusals "
        "come from.",
    ]
    for title, _, advice in KINDS:
        lines += ["", f"## {title}", "", advice, ""]
        lines += [f"- {_escaped(sentence)}" for sentence in found[title]]
    return "\n".join([*lines, ""])


def _escaped(sentence: str) -> str:
    return re.sub(r"([\\`*_\[\]{}<>$|#~^])", r"\\\1", " ".join(sentence.split()))
