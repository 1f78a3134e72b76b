"""Settings of the site; `make docs` builds it, every warning an error."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "100", "NO_COLOR": "1"}

import docstrings  # noqa: E402
import generated_pages  # noqa: E402
from sphinx.ext.napoleon import Config, GoogleDocstring  # noqa: E402

generated_pages.write_all(HERE / "generated")

project = "sensor2llm"
author = "The sensor2llm authors"
copyright = "The sensor2llm authors"
release = version = installed_version("sensor2llm")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
toc_object_entries = False
exclude_patterns = ["generated/parts/**", "notebooks/**", "_build/**"]
html_theme = "furo"
html_title = "sensor2llm"
html_static_path = ["_static"]
html_css_files = ["wide_tables.css"]
html_show_sphinx = False
templates_path = []

myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_mock_imports = ["mantis", "mcp"]  # not in the lock; fails when Sphinx imports it
# Types of other libraries and of modules whose members are not listed have no page here; a broken
# link between pages is an error all the same.
nitpicky = True
nitpick_ignore_regex = [(r"py:(class|obj|data|exc)", r".*")]
suppress_warnings = ["ref.python"]  # a word of a Literal that is also an attribute's name


SECTIONS = Config(napoleon_use_ivar=True, napoleon_numpy_docstring=False)


def read_docstring(app, kind, name, target, options, lines: list[str]) -> None:
    """Convert a docstring, then read its sections; an attribute's has none, only colons."""
    lines[:] = docstrings.convert(lines)
    if kind != "attribute":
        lines[:] = GoogleDocstring(lines, SECTIONS, app, kind, name, target, options).lines()


def setup(app) -> None:
    """Take docstrings as they are written here."""
    app.connect("autodoc-process-docstring", read_docstring)
