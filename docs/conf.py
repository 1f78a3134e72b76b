"""Settings of the site; `make docs` builds it, every warning an error."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "100", "NO_COLOR": "1"}

import generated_pages  # noqa: E402

generated_pages.write_all(HERE / "generated")

project = "sensor2llm"
author = "The sensor2llm authors"
copyright = "The sensor2llm authors"
release = version = installed_version("sensor2llm")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
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
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Names of other libraries and of type variables have no page here.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!sensor2llm\.|tokenization_study\.).*")]
