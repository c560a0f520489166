"""How Sphinx builds the handbook: ``make docs``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import faltung

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# What the kernels that execute the chapters are started with: their helpers, their settings, and no more threads than needed.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE / "_ext"), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["IPYTHONDIR"] = str(HERE / "_ipython")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a debugger's remark on Python's own frozen modules

logging.getLogger("traitlets").setLevel(logging.WARNING)  # a line for each page that is executed
logging.getLogger("fontTools").setLevel(logging.WARNING)  # one for each table of a font

project = "Faltung"
author = "the authors of Faltung"
project_copyright = author
release = version = faltung.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
extensions += ["docstrings", "mathml", "explorers", "figures", "links", "sources"]  # in _ext
exclude_patterns = ["_build", "_ext", "_ipython", "gallery", "images"]

nitpicky = False
default_role = "py:obj"
# Settings that cannot be kept between builds; words in docstrings that are names of several attributes.
suppress_warnings = ["config.cache", "ref.python"]

# -- text and code ------------------------------------------------------------------------------

myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_execution_excludepatterns: list[str] = []

copybutton_exclude = ".linenos, .gp, .go"  # prompts and output stay where they are
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say more
napoleon_google_docstring = False
napoleon_use_param = False  # words of types are no links
napoleon_use_rtype = False

# -- pages --------------------------------------------------------------------------------------

html_theme = "furo"
pygments_dark_style = "a11y-high-contrast-dark"  # the theme's own underlines the names of modules, as if they were links
html_title = "Faltung"
html_static_path = ["_static"]
html_css_files = ["handbook.css"]
html_js_files = ["handbook.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a page opened from disk may not read the others
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00608a", "color-brand-content": "#00608a"},
    "dark_css_variables": {"color-brand-primary": "#77ccee", "color-brand-content": "#77ccee"},
    "navigation_with_keys": True,
}


def _allow_words_alone(_: Any, config: Any) -> None:
    if config.nb_execution_mode == "off":  # nobody has said then in which language cells are
        config.suppress_warnings.append("myst-nb.lexer")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("config-inited", _allow_words_alone)
