"""How Sphinx builds the site: `make docs`. A warning fails the build, and a reader's browser asks no other host."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
import reference_pages  # noqa: E402 - from this folder

project = "AI drug assets"
copyright = "the authors of AI drug assets, Apache-2.0"  # noqa: A001 - what Sphinx calls it
release = version = version_of("ai-drug-assets")
extensions = [
    "myst_nb",  # which reads Markdown too
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinxcontrib.openapi",
]
suppress_warnings = [
    "ref.python",  # annotations are text here: two classes of one name in two packages are not told apart
]
html_theme = "furo"
html_title = project
html_static_path = ["images"]
html_show_sourcelink = html_copy_source = False
myst_heading_anchors = 4
nb_execution_mode = "off"  # a test runs the notebooks
nb_ipywidgets_js = {}  # they would come from another host
apidoc_modules = [
    {
        "path": "../model_zoo",
        "destination": "reference/python",
        "separate_modules": True,
        "max_depth": 2,
        "module_first": True,
    }
]
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True


def _from_the_root(_: Sphinx, page: str, content: list[str]) -> None:
    """Put a document of the repository's root, with the links that hold here, before what the page itself holds."""
    file = {"index": "README.md", "contributing": "CONTRIBUTING.md"}.get(page)
    if file is not None:
        text = (DOCS.parent / file).read_text()
        for there, here in (
            ("](docs/", "]("),
            ("](CONTRIBUTING.md", "](contributing.md"),
            ("](LICENSE", "](../LICENSE"),
        ):
            text = text.replace(there, here)
        content[0] = text + content[0]


def setup(app: Sphinx) -> None:
    """Make what is generated before pages are read."""
    app.connect("builder-inited", lambda _: reference_pages.write(DOCS / "reference"))
    app.connect("source-read", _from_the_root)
