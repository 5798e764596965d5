"""A wheel, installed without a checkout, predicts as a library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_zoo.bundles.reader import load_bundle
from model_zoo.chemistry.molecules import Limits
from model_zoo.inference.predictor import Fault, Predictor
from tests.bundle_factory import write
from tests.server_process import ROOT

SMILES = ("CCO", "no molecule", "CC(=O)Oc1ccccc1C(=O)O")
EXAMPLE = """
import json, sys
from pathlib import Path
from model_zoo.bundles.reader import load_bundle
from model_zoo.chemistry.molecules import Limits
from model_zoo.inference.predictor import Fault, Predictor

bundles = {"solubility_logs": load_bundle(Path(sys.argv[1]))}
answers = Predictor(Limits()).predict(bundles, sys.argv[2:])
print(json.dumps([None if isinstance(answer, Fault) else answer["solubility_logs"].value for answer in answers]))
print([name for name in ("pandas", "torch", "sklearn", "dagster", "litestar") if name in sys.modules])
"""


@pytest.mark.slow(alone="what differs is the installing")
def test_a_wheel_predicts_without_a_checkout(tmp_path: Path) -> None:
    """The wheel's base install, in an environment of its own, predicts what the checkout predicts."""
    write(tmp_path / "bundle", onnx_bias=0.5)
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin" / "python"

    def done(*command: str | Path) -> str:
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    done(uv, "build", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    done(uv, "venv", "--python", sys.executable, tmp_path / "venv")
    done(uv, "pip", "install", "--python", python, "-c", ROOT / "constraints.txt", wheel)
    answered, loaded = done(python, "-c", EXAMPLE, tmp_path / "bundle", *SMILES).splitlines()

    ethanol, refused, aspirin = Predictor(Limits()).predict(
        {"solubility_logs": load_bundle(tmp_path / "bundle")}, SMILES
    )
    assert isinstance(refused, Fault)
    assert not isinstance(ethanol, Fault)
    assert not isinstance(aspirin, Fault)
    told = [each["solubility_logs"] for each in (ethanol, aspirin)]
    values = [each.value for each in told if not isinstance(each, Fault)]
    assert json.loads(answered) == [values[0], None, values[1]]
    assert values[0] != values[1]
    assert loaded == "[]"
