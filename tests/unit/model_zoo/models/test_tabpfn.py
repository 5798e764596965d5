"""TabPFN: weights from a local folder alone, known by their digest; rows and settings are saved, weights are not."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo.data.targets import Task
from model_zoo.errors import BundleError, TrainingError
from model_zoo.io.digests import file_digest
from model_zoo.models import tabpfn
from tests.unit.model_zoo.models.test_models import features, labels


class Nearest:
    """Takes the place of the library's estimators, with their interface: the value of the nearest row."""

    def __init__(self, **settings: Any) -> None:
        assert sorted(settings) == ["ignore_pretraining_limits", "model_path", "n_estimators", "random_state"]
        assert settings["model_path"].is_file()

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Nearest:
        """Keep the rows."""
        self.X, self.y, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return `n` values."""
        return np.asarray(self.y[((X[:, None] - self.X[None]) ** 2).sum(axis=2).argmin(axis=1)])

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return `n x 2` probabilities."""
        ones = self.predict(X) * 0.8 + 0.1
        return np.column_stack([1 - ones, ones])


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the digest of weights in a folder that the setting names, and a library that reads them."""
    library = ModuleType("tabpfn")
    library.TabPFNRegressor = library.TabPFNClassifier = Nearest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tabpfn", library)
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "some.safetensors").write_bytes(b"weights")
    monkeypatch.setenv(tabpfn.FOLDER, str(folder))
    return file_digest(folder / "some.safetensors")


def fitted(digest: str, task: Task = "regression") -> tuple[tabpfn.TabPFNModel, NDArray[Any]]:
    """Return a model and its features."""
    X = features("rf")
    return tabpfn.train(X, labels(task, X), tabpfn.Config(weights=digest, task=task)), X


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_saved_model_predicts_the_same(task: Task, digest: str, tmp_path: Path) -> None:
    """Rows and settings come back as data; a loaded model predicts what the fitted one does, also for no row at all."""
    model, X = fitted(digest, task)
    saved, again = tmp_path / "saved", tmp_path / "again"
    saved.mkdir()
    again.mkdir()
    model.save(saved)
    loaded = tabpfn.load(saved)
    loaded.save(again)

    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert model.predict(X[:0]).shape == (0,)
    np.testing.assert_allclose(
        model.predict(X), labels(task, X) if task == "regression" else labels(task, X) * 0.8 + 0.1
    )
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }
    assert {path.suffix for path in saved.iterdir()} == {".json", ".npy"}


def test_other_weights_are_refused(digest: str, tmp_path: Path) -> None:
    """A model made with weights that are not there is not loaded with those that are."""
    model, _ = fitted(digest)
    saved = tmp_path / "saved"
    saved.mkdir()
    model.save(saved)
    (tmp_path / "weights" / "some.safetensors").write_bytes(b"others")

    with pytest.raises(TrainingError, match=f"expected a .safetensors file of SHA-256 {digest}.*some.safetensors is "):
        tabpfn.load(saved)


def test_weights_that_nobody_names_are_asked_for(digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a digest the message gives those that are there; without a folder it says which setting names it."""
    with pytest.raises(TrainingError, match=rf"SHA-256 \(not set\).*some.safetensors is {digest}.*tabpfn.yaml"):
        fitted("")
    monkeypatch.delenv(tabpfn.FOLDER)
    with pytest.raises(TrainingError, match=r"expected AIDRUG_TABPFN_WEIGHTS to name a folder .* never downloaded"):
        fitted(digest)


def test_pickled_weights_are_not_seen(digest: str, tmp_path: Path) -> None:
    """A checkpoint of the older kind would run what is in it: it counts as absent."""
    pickled = tmp_path / "weights" / "older.ckpt"
    pickled.write_bytes(b"\x80\x04.")

    with pytest.raises(TrainingError, match=r"expected a \.safetensors file"):
        fitted(file_digest(pickled))


def test_a_missing_library_is_named(digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the message is the command that installs it."""
    monkeypatch.setitem(sys.modules, "tabpfn", None)

    with pytest.raises(TrainingError, match=r"uv pip install -c constraints.txt -e '.\[tabular\]'"):
        fitted(digest)


def test_too_many_rows_are_refused(digest: str) -> None:
    """A table that attention would take hours for is refused by number."""
    with pytest.raises(TrainingError, match="expected at most max_rows = 10 rows, got 11"):
        tabpfn.train(np.zeros((11, 2)), np.zeros(11), tabpfn.Config(weights=digest, max_rows=10))


@pytest.mark.parametrize("text", ["", "[]", '{"format": "onnx"}', '{"format": "tabpfn"}'])
def test_a_broken_folder_is_one_clear_error(text: str, digest: str, tmp_path: Path) -> None:
    """What is no saved model of this kind says so."""
    model, _ = fitted(digest)
    saved = tmp_path / "saved"
    saved.mkdir()
    model.save(saved)
    (saved / "model.json").write_text(text, encoding="utf-8")

    with pytest.raises(BundleError, match="expected a saved model of the format 'tabpfn'"):
        tabpfn.load(saved)


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_the_real_library_reads_local_weights_offline(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installed library predicts by a checkpoint of random numbers, twice the same, and asks no network."""
    library = pytest.importorskip("tabpfn", reason="needs .venv/bin/uv pip install -c constraints.txt -e '.[tabular]'")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    path = tmp_path / "tabpfn-v3.5-random.safetensors"
    _random_checkpoint(library, path)
    monkeypatch.setenv(tabpfn.FOLDER, str(tmp_path))
    model, X = fitted(file_digest(path), task)
    saved = tmp_path / "saved"
    saved.mkdir()
    model.save(saved)
    predicted = model.predict(X)

    assert np.isfinite(predicted).all()
    np.testing.assert_array_equal(tabpfn.load(saved).predict(X), predicted)
    assert json.loads((saved / "model.json").read_text())["weights"] == file_digest(path)


def _random_checkpoint(library: Any, path: Path) -> None:
    """Write a checkpoint of the library's newest kind, as small as it may be, of random numbers."""
    import importlib

    import torch

    def part(name: str) -> Any:
        return importlib.import_module(f"{library.__name__}.{name}")

    architecture = part("architectures").ARCHITECTURES["tabpfn_v3_5"]
    sizes = {
        **dict.fromkeys(("dist_embed_num_blocks", "feat_agg_num_blocks", "nlayers"), 1),
        **dict.fromkeys(("dist_embed_num_heads", "feat_agg_num_heads", "icl_num_heads", "decoder_num_heads"), 2),
        "embed_dim": 16,
        "dist_embed_num_inducing_points": 8,
        "feat_agg_num_cls_tokens": 2,
        "decoder_head_dim": 8,
    }
    config, _ = architecture.parse_config({"max_num_classes": 10, "num_buckets": 50, **sizes})
    weights = architecture.get_architecture(config).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, values in weights.items():
        if name.endswith("regression_borders"):
            values.copy_(torch.linspace(-4, 4, len(values)))
        elif values.dtype.is_floating_point:
            values.copy_(torch.randn(values.shape, generator=generator) * 0.2)
    versions = part("constants").ModelVersion
    inference = part("inference_config").InferenceConfig.get_default("multiclass", versions.V2_5)
    content = {
        "state_dict": weights,
        "architecture_name": "tabpfn_v3_5",
        "config": asdict(config),
        "inference_config": asdict(inference),
    }
    part("checkpoint").save_as_safetensors(content, path)
