"""One HTML page about one experiment: the target, predictions, simulation, verdict and configuration.

Self-contained: formulas and figures are SVG inside the page, the style sheet is in its head, there is no script and
nothing is fetched. Equal input and equal versions give equal bytes.
"""

from __future__ import annotations

import platform
from html import escape
from pathlib import Path

from asymptotics.comparison.citations import bibtex
from asymptotics.documents.comparison_sections import results_section, validation_section
from asymptotics.documents.findings import Findings
from asymptotics.documents.html_pieces import formula_or_text
from asymptotics.documents.mathematics import expression_latex
from asymptotics.documents.target_section import target_section


def report_page(found: Findings) -> str:
    """The page as one text."""
    target = found.experiment.target
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    latex = "f^\\star(z) = " + expression_latex(target.text, target.variables)
    sections = [
        ("What is in the target", target_section(found.experiment)),
        ("Predictions and simulation", results_section(found)),
        ("Validation", validation_section(found)),
        ("Configuration", _configuration_section(found)),
        ("To cite", f"<pre>{escape(bibtex(found.experiment))}</pre>"),
    ]
    body = "\n".join(
        f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" for title, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>giantstep: {escape(target.text[:80])}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{formula_or_text(latex, target.text)}</h1>\n{_headline(found)}\n{body}\n</main>\n</body>\n</html>\n"
    )


def _headline(found: Findings) -> str:
    if found.validation is None:
        return f'<p class="statement">No verdict. {escape(found.reason)}</p>'
    verdict = found.validation.verdict
    return f'<p class="statement {verdict}">Theory and simulation: {escape(found.validation.statement)}</p>'


def _configuration_section(found: Findings) -> str:
    import numpy
    import scipy

    from asymptotics.version import __version__

    versions = (
        f"giantstep {__version__}, Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, {platform.system()} {platform.machine()}"
    )
    return f"<pre>{escape(found.source.strip())}</pre>\n<p class='note'>{escape(versions)}</p>"
