"""How the pages are made: `make docs`. Nothing is fetched while they are built or read."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

project = "springline"
copyright = "the springline developers, Apache License 2.0"
release = version = installed("springline")

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "_extensions.api",
    "_extensions.blocks",
    "_extensions.generated",
    "_extensions.links",
]
exclude_patterns = ["notebooks/demo.ipynb"]  # a part of `make demo`, with its data
nitpicky = True
smartquotes = False  # --option stays --option

# Pages: Markdown; a bare fence holds commands.
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
highlight_language = "commands"
copybutton_selector = "div.highlight-commands pre"
copybutton_exclude = ".c1, .go"  # what a command means, and what it answers

# Notebooks are kept without outputs. `make docs` computes them, and again only where a cell has changed.
nb_execution_mode = os.environ.get("SPRINGLINE_DOCS_NOTEBOOKS", "off")
nb_execution_cache_path = str(ROOT / ".cache/docs/notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress

# The code: docstrings have numpydoc's sections. Types are links only within springline.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_default_options = {"no-value": True, "ignore-module-all": True}
autodoc_typehints_format = "short"
add_module_names = False
maximum_signature_line_length = 160
nitpick_ignore_regex = [("py:.*", ".*")]
suppress_warnings = ["ref.python"]  # a name that both halves have

html_theme = "pydata_sphinx_theme"
html_title = "springline"
html_static_path = ["_static"]
html_css_files = ["springline.css"]
html_search_scorer = str(HERE / "_static/scorer.js")
html_use_index = False  # its entries are for the search alone
html_show_sourcelink = False
html_copy_source = False
html_favicon = "_static/favicon.svg"
html_sidebars = {"**": ["pages"]}
html_context = {"default_mode": "auto"}
templates_path = ["_templates"]
html_theme_options = {
    "logo": {"text": "springline"},
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "article_header_start": [],
    "primary_sidebar_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "search_bar_text": "Search",
    "search_as_you_type": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-dark",
}
