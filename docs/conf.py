"""Sphinx settings: pages in Markdown, the project's notebooks executed, the API from its docstrings."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from docstrings import process, public_page  # noqa: E402
from language_page import language_page  # noqa: E402
from mathml import visit_block, visit_inline  # noqa: E402
from pictures import gallery_page, write_all  # noqa: E402
from refusals import troubleshooting_page  # noqa: E402

from asymptotics import __version__  # noqa: E402
from asymptotics.experiment.reference import markdown_reference  # noqa: E402

# Sphinx reads only what lies below this folder.
shutil.copytree(
    HERE.parent / "notebooks",
    HERE / "notebooks",
    dirs_exist_ok=True,
    ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
)

(HERE / "experiment-file.md").write_text(markdown_reference(), encoding="utf-8")
(HERE / "language.md").write_text(language_page(), encoding="utf-8")
(HERE / "public.md").write_text(public_page(), encoding="utf-8")
(HERE / "gallery.md").write_text(gallery_page(), encoding="utf-8")
(HERE / "troubleshooting.md").write_text(troubleshooting_page(), encoding="utf-8")
write_all(HERE / "pictures")

project = "giantstep"
author = "the giantstep developers"
copyright = author
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
add_module_names = False

html_theme = "furo"
html_title = f"giantstep {release}"
# Formulas are MathML: nothing on the pages needs a network.
html_math_renderer = "mathml"
suppress_warnings = ["myst.header"]


def setup(app: object) -> None:
    """Docstrings are plain text with formulas: they are turned into reStructuredText as they are read."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", process)  # type: ignore[attr-defined]
