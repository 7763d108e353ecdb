"""Sphinx: MyST pages and Furo; the API from docstrings, the tables from what is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extension"))

project = "seedbed"
copyright = "the seedbed authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated_pages"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "seedbed"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
exclude_patterns = ["_build", "_extension"]
# `names` in docstrings are code.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
suppress_warnings = ["ref.python", "docutils"]
