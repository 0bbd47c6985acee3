"""How Sphinx builds these pages. Tables of what the package offers are put in by `from_code` when a page is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import from_code

import outgrow

project = "outgrow"
author = "the authors of outgrow"
copyright = "2026, the authors of outgrow"
version = release = outgrow.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "notebooks"]
suppress_warnings = ["myst.header"]  # the log's headings are dates
myst_heading_anchors = 3
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
viewcode_line_numbers = False

html_theme = "furo"
html_title = "outgrow"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}


def setup(app):
    """Put the generated parts into the pages as they are read."""
    app.connect("source-read", from_code.fill)
