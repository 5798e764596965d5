"""One digest on every supported Python: a committed table, checked by every interpreter that can be found."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from model_zoo.errors import ConfigError
from model_zoo.provenance.definitions import Definitions
from model_zoo.provenance.syntax import FIELDS

HERE = Path(__file__).parent
SAMPLE, TABLE, SCRIPT = HERE / "every_syntax.txt", HERE / "every_syntax.json", HERE / "definition_digests.py"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
PYENV = Path("~/.pyenv/versions").expanduser()


def interpreter(version: str) -> str | None:
    """Find an interpreter of a version: this one, on the path, or among those of pyenv."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    candidates = [shutil.which(f"python{version}"), *map(str, PYENV.glob(f"{version}.*/bin/python"))]
    for path in filter(None, candidates):
        asked = subprocess.run([path, "-c", "import sys; print(sys.version)"], capture_output=True, check=False)
        if asked.stdout.decode().startswith(f"{version}."):
            return path
    return None


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sample as a module."""
    folder = tmp_path_factory.mktemp("sample")
    shutil.copy(SAMPLE, folder / "sample.py")
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_digests_are_equal_on_every_python(sample: Path, version: str) -> None:
    """Every interpreter gives the sample's definitions the digests of the committed table, and those of this checkout
    that this one gives them.
    """
    path = interpreter(version)
    if path is None:
        warnings.warn(f"Python {version} is NOT CHECKED: there is none on this machine", stacklevel=1)
        pytest.skip(f"Python {version} is not checked: there is none on this machine")
    printed = subprocess.run([path, "-I", SCRIPT, HERE.parents[3], sample], capture_output=True, check=True).stdout
    found = json.loads(printed)

    assert found["sample"] == json.loads(TABLE.read_text(encoding="utf-8"))
    known = Definitions(HERE.parents[3])
    assert found["checkout"] == known.reach(found["roots"]).digests


def test_the_sample_holds_every_kind_of_syntax() -> None:
    """What the table of syntax lists is in the sample, so that each kind is compared."""
    kinds = {type(node).__name__ for node in ast.walk(ast.parse(SAMPLE.read_text(encoding="utf-8")))}

    assert set(FIELDS) - kinds == set()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 cannot read newer syntax at all")
def test_unknown_syntax_is_refused(tmp_path: Path) -> None:
    """Syntax that the table does not list is an error that names the file and line."""
    (tmp_path / "sample.py").write_text("def f[T](x: T) -> T:\n    return x\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"sample\.py: line 1: expected syntax of Python 3\.11, got `type_params`"):
        Definitions(tmp_path).digest("sample.f")


def test_an_unlisted_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of node that a newer Python brings is an error, never left out in silence."""
    (tmp_path / "sample.py").write_text("def f(x):\n    while x:\n        pass\n", encoding="utf-8")
    monkeypatch.delitem(FIELDS, "While")

    with pytest.raises(ConfigError, match=r"sample\.py: line 2: expected syntax of Python 3\.11, got a While"):
        Definitions(tmp_path).digest("sample.f")
