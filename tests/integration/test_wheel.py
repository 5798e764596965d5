"""A wheel, installed without a checkout, predicts as a library and as a service, on every supported Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from model_zoo.bundles.reader import Bundle, load_bundle
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.molecules import Limits
from model_zoo.inference.answers import Fault
from model_zoo.inference.predictor import Predictor
from tests.bundle_factory import publish
from tests.server_process import ROOT, running_service

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUPPORTED = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def predicted(bundle: Bundle) -> str:
    """What the README's example prints, computed here."""
    (answer,) = Predictor(Limits()).predict({"solubility_logs": bundle}, [ASPIRIN])
    assert not isinstance(answer, Fault)
    estimate = answer["solubility_logs"]
    return f"{estimate.value} {estimate.lower} {estimate.upper}\n"


def interpreter(version: str) -> str | None:
    """Return the interpreter of this version on the path; none where there is none, or only a shim."""
    for python in (sys.executable, shutil.which(f"python{version}")):
        if python is not None:
            asked = (python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
            if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
                return python
    return None


@pytest.mark.slow(alone="only the installation differs")
@pytest.mark.parametrize("supported", SUPPORTED)
def test_a_wheel_predicts_without_a_checkout(supported: str, tmp_path: Path) -> None:
    """The README's example, run by the wheel's base install, prints what the checkout predicts. With the extra `serve`,
    the service answers the same over HTTP, and has its page and scripts with it.
    """
    base = interpreter(supported)
    if base is None:
        pytest.skip(f"Python {supported} is not installed")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    store = FolderStore(tmp_path / ".aidrug" / "store")
    version = publish(store, tmp_path / "bundle", onnx_bias=0.5)
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin" / "python"

    def done(*command: str | Path) -> str:
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    done(uv, "build", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.startswith(f"ai_drug_assets-{PROJECT['version']}-")
    done(uv, "venv", "--python", base, tmp_path / "venv")
    done(uv, "pip", "install", "--python", python, "-c", ROOT / "constraints.txt", wheel)

    printed = predicted(load_bundle(store.fetch_bundle("solubility_logs", version)))
    assert done(python, "-c", example) == printed

    done(uv, "pip", "install", "--python", python, "-c", ROOT / "constraints.txt", f"{wheel}[serve]")
    with running_service(tmp_path / ".aidrug", tmp_path / "log", ("-m", "serving"), python, tmp_path) as (address, _):
        asked = urllib.request.Request(
            f"{address}/v1/predict",
            json.dumps({"smiles": [ASPIRIN]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            prediction = json.load(answer)["predictions"][0]["endpoints"]["solubility_logs"]
        for place in ("/", "/static/page.js", "/schema/openapi.json"):
            with urllib.request.urlopen(address + place, timeout=60) as page:
                assert page.status == 200
    assert prediction["champion"] == version
    assert f"{prediction['value']} " == printed[: printed.index(" ") + 1]
