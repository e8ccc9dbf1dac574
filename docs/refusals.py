"""The page of troubleshooting: every sentence that refuses something, read from the sources, under the advice "
"for its kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
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
        r"residual|did not (end|close)|method … is unknown|have no solution|[Tt]he integrals (of|and)",
        "Exit code 3: the equations were not solved to the accuracy that is promised, so no number is given. A "
        "larger "
        "`ridge.lambda` or a smaller `training.eta` moves the setting away from the singular point.",
    ),
    (
        "Given twice",
        r"is given … times|is set twice",
        "An option, or a setting of the file, has one value, and of two nobody can know which was meant. Several values of a "
        "setting are a list: `--set ridge.alpha=[1,2]`.",
    ),
    (
        "Stores of sweeps",
        r"store|Parquet|workers must|unit… failed",
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
        "Figures and maps",
        r"figure|x axis|the map|a map|nothing was trained|Set the formula|set the formula",
        "A setting with several values is the x axis, a line or a panel, and each is one of them; a map takes two settings with "
        "several values and one value of all others. Without `--out DIR` nothing is drawn.",
    ),
    (
        "The page to play with",
        r"[Tt]he link|notebook|this page|on the page|computation ended|Cancelled after|explore|--port",
        "The controls of the page have a range, and a computation 10 seconds (`--limit`): the command line has neither. "
        '`pip install "giantstep[explore]"` brings what it is made with.',
    ),
    (
        "A budget of samples, or an error to reach",
        r"samples are (fewer|enough)|too small for batches|below the (variance|plateau)|At this width and penalty|"
        r"samples each \(",
        "Some errors no number of samples reaches at this width, penalty or number of steps, and some budgets are too small for "
        "a theory of averages: the sentence says what bounds them.",
    ),
    (
        "Your own measurements",
        r"[Tt]he data|data must|row of the data|_sem|no point to validate|finite theory and simulation",
        "`validate --data` takes columns as our tables have them: settings that the file has several values of, "
        "d if it gives none, and test_error or "
        "train_error with standard errors (one row a point) or without (one row a run, three runs at least).",
    ),
    (
        "Clusters and covariances of inputs",
        r"[Ii]nputs|cluster|spectrum must|spectrum\.|teacher|power law|spectrum covers|Boolean|of fractions",
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
        r"no (law|theory|schedule)|not covered|cover|simulate|ridge\.level|no batches|is about|has the levels|first output of 0",
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
        r"floating|floats|scale|underflow",
        "Work is bounded before it begins, and numbers are floats. Make the grid, the degree or the number "
        "smaller; `--force` "
        "computes an experiment of any size.",
    ),
    (
        "The target's expression",
        r"expression|variables|gram|target|g must|x must have|r must be|labels|name|constant|expected |division|digits|degree|"
        r"cannot be read|dimension … of",
        "Targets are written in z1, z2, ...; `2z1` is `2*z1`, exponents are whole numbers, and E f² must be "
        "finite. The page on the "
        "[expression language](language.md) has all functions and limits; the column in the sentence is where "
        "reading stopped.",
    ),
    (
        "A value out of its range",
        r"must (be|hold|map|lie|have|broadcast|end|return|compute)|(raises|is nan) …|needs|takes|differ|go(es)? with|"
        r"give it alone|has no|covers|"
        r"one of|exclude each other|--set|There (is|are) no|of the kind|no text|weights sum|is a pair|is (a|no) finite number",
        "The sentence names the key, what was given and what is allowed; `giantstep init --all` prints every "
        "key with its range, and "
        "[the experiment file](experiment-file.md) explains them.",
    ),
)


#: What is raised with a sentence for the user, or makes such an error at a column of an expression.
_RAISED = {
    "InputError",
    "ConvergenceError",
    "InfiniteTestError",
    "UsageError",
    "Refused",
    "TooMuch",
    "Cancelled",
    "error_at",
    "fail",
}
#: Names of lists that sentences are gathered in, and of functions that return one (or none).
_GATHERED = re.compile(r"problem|refus|unknown|missing|failure")
_RETURNED = re.compile(r"problem|refus|covers|unknown|too_few|without_a_layer|not_covered|_why$")
#: What every rule of the experiment file has: "must be ... , not ...".
_RULE = "{key} must be {allowed}, not …."


def sentences() -> Iterator[str]:
    """Every sentence that refuses something, read from the sources, what is filled in as an ellipsis.

    It is an argument of an error, or gathered in a list that becomes one, or returned by a function that says why not.
    """
    for tree in _modules():
        for text in _refusals_of(tree):
            # A sentence that is handed on has no words of its own.
            if len(re.findall(r"[a-z]{2}", text)) > 2 and " " in text.strip():
                yield " ".join(text.split())
    yield from _refusals_of_rules()


@cache
def _modules() -> tuple[ast.Module, ...]:
    paths = [
        path for package in ("hermite", "asymptotics") for path in sorted((ROOT / package).rglob("*.py"))
    ]
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in paths)


@cache
def _constants() -> dict[str, ast.expr]:
    """What names of modules stand for: sentences that are told in several places have one."""
    return {
        node.targets[0].id: node.value
        for tree in _modules()
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _refusals_of_rules() -> Iterator[str]:
    """What each key of the experiment file says of a value out of its range."""
    from asymptotics.experiment.file_tables import TABLES, TARGET_RULES

    for table, rules in {"target": TARGET_RULES, **TABLES}.items():
        for key, rule in rules.items():
            yield _RULE.format(key=f"{table}.{key}", allowed=rule.allowed)


def _refusals_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _RAISED:
                for argument in node.args:
                    yield from _texts(argument)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend")):
                if _GATHERED.search(name):
                    for argument in node.args:
                        yield from _texts(argument)
            case ast.AugAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                if _GATHERED.search(name):
                    yield from _texts(node.value)
            case ast.FunctionDef(name=name) if name in _telling():
                for part in _told_by(node):
                    yield from _texts(part)


#: What a function that says why not returns.
_SENTENCES = {"str", "str | None", "tuple[str, ...]", "list[str]", "Iterator[str]", "Sequence[str]"}


@cache
def _telling() -> frozenset[str]:
    """Functions that say why not: by their name, and those whose answers they hand on."""
    functions = [
        node
        for tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) in _SENTENCES
    ]
    found = {function.name for function in functions if _RETURNED.search(function.name)}
    while True:
        more = {
            name
            for function in functions
            if function.name in found
            for part in _told_by(function)
            for name in _handed_on(part)
        } & {function.name for function in functions}
        if more <= found:
            return frozenset(found)
        found |= more


def _told_by(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a function returns, and what is put into the lists that it returns."""
    returned = [
        part.value for part in ast.walk(function) if isinstance(part, ast.Return | ast.Yield) and part.value
    ]
    yield from returned
    lists = {name for value in returned for name in _names(value)}
    for part in ast.walk(function):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend")) if (
                name in lists
            ):
                yield from part.args
            case ast.AugAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if (
                name in lists
            ):
                yield part.value


def _pieces(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that an answer may be, or has as a part: both branches, and the entries of a list."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.BoolOp(values=parts):
            for part in parts:
                yield from _pieces(part)
        case ast.IfExp():
            yield from _pieces(node.body)
            yield from _pieces(node.orelse)
        case ast.ListComp() | ast.GeneratorExp():
            yield from _pieces(node.elt)
        case ast.Starred():
            yield from _pieces(node.value)
        case ast.Dict():
            for value in node.values:
                yield from _pieces(value)
        case ast.Call(func=ast.Name(id="tuple" | "list" | "dict"), args=[inner]):
            yield from _pieces(inner)
        case _:
            yield node


def _handed_on(node: ast.expr) -> Iterator[str]:
    """Names of functions whose answer is the answer, or a part of it."""
    for piece in _pieces(node):
        match piece:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name


def _names(node: ast.expr) -> Iterator[str]:
    """Names of variables whose value is the answer, or a part of it."""
    return (piece.id for piece in _pieces(node) if isinstance(piece, ast.Name))


def _texts(node: ast.expr) -> Iterator[str]:
    """The sentences that an expression may be; a constant of a module by its value."""
    for piece in _pieces(node):
        value = _constants().get(piece.id) if isinstance(piece, ast.Name) else piece
        yield _text(value) if value is not None else "…"


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
        case ast.BinOp(op=ast.Add()):
            return _text(node.left) + _text(node.right)
        case _:
            return "…"


def kind_of(sentence: str) -> str:
    """The title of its kind."""
    title = next((title for title, pattern, _ in KINDS if re.search(pattern, sentence)), None)
    if title is None:
        raise LookupError(
            f"No advice for this refusal: {sentence!r}; its KINDS are in refusals.py, beside the pages."
        )
    return title


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
