"""Models: every recipe of the zoo is deterministic, saves data only, and loads without its training library."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Task
from model_zoo.errors import BundleError, ConfigError, TrainingError
from model_zoo.featurizers.tokens import MAX_TOKENS, SIZE
from model_zoo.fitted_models.formats import ConstantModel, Model, OnnxModel, load_model
from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.io.onnx_session import open_session
from model_zoo.models import gp

ROOT = Path(__file__).parents[4]
SMALL: dict[str, dict[str, Any]] = {
    "catboost": {"iterations": 30, "learning_rate": 0.1},
    "dmpnn": {"hidden": 8, "readout": 8, "epochs": 2, "batch_size": 8},
    "gp": {},
    "mlp": {"hidden": 16, "members": 2, "epochs": 3},
    "naive": {},
    "rf": {"n_estimators": 10},
    "svm": {},
    "xgb": {"n_estimators": 10},
    "transformer": {"pretrained": False, "steps": 3, "width": 8, "heads": 2, "layers": 1, "batch_size": 8},
}
ROWS = 48
DATA_ONLY = {".json", ".onnx", ".ubj", ".cbm", ".safetensors", ".npy"}


def features(name: str) -> NDArray[Any]:
    """Return a small matrix of the kind the model learns from."""
    generator = np.random.default_rng(0)
    if name == "dmpnn":
        smiles = [
            f"{tail}{'C' * size}O" for size in range(1, 9) for tail in ("O", "N", "F", "C1CC1", "c1ccccc1", "C#C")
        ]
        molecules = [Molecule(text, Chem.MolFromSmiles(text)) for text in smiles]
        return featurizers.featurize(["graph", "descriptors"], molecules)
    if name != "transformer":
        return generator.poisson(0.7, (ROWS, 20)).astype(np.float32)
    tokens = np.zeros((ROWS, MAX_TOKENS), dtype=np.int64)
    for row, length in enumerate(generator.integers(2, 24, ROWS)):
        tokens[row, :length] = generator.integers(1, SIZE, length)
    return tokens


def labels(task: Task, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return values that depend on the first columns."""
    values = X[:, 0] + 0.5 * X[:, 1] + np.linspace(0, 0.1, len(X))
    return (values > np.median(values)).astype(np.float64) if task == "binary" else values.astype(np.float64)


def fit(name: str, task: Task, seed: int = 0) -> tuple[Model, NDArray[Any]]:
    """Fit a small model of a recipe; give it and its features."""
    recipe = models.get(name)
    X = features(name)
    config = recipe.Config.model_validate({**SMALL[name], "task": task, "seed": seed})
    return recipe.train(X, labels(task, X), config), X


@cache
def fitted(name: str, task: Task) -> tuple[Model, NDArray[Any]]:
    """Return the small model of a recipe that tests share, which change nothing of it; and its features."""
    return fit(name, task)


@pytest.fixture(scope="module", params=[(name, task) for name in SMALL for task in ("regression", "binary")], ids=str)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return each recipe and task with a fitted model, and the folder it was saved in."""
    name, task = request.param
    model, X = fitted(name, task)
    folder = tmp_path_factory.mktemp(f"{name}-{task}")
    model.save(folder)
    return {"name": name, "task": task, "model": model, "X": X, "folder": folder}


def test_every_model_of_the_zoo_is_tried_here() -> None:
    """A new model gets its row in these tests: its small settings. What needs more than features and values has tests
    of its own: an ensemble, models of several endpoints, and TabPFN, whose weights are not at hand.
    """
    assert sorted([*SMALL, "blend", "mlp_joint", "multitask", "tabpfn"]) == models.names()


def test_predictions_are_numbers_in_row_order(case: dict[str, Any]) -> None:
    """A prediction is one finite `float64` per row; a subset of rows gives the subset of predictions."""
    predicted = case["model"].predict(case["X"])

    assert (predicted.shape, predicted.dtype) == ((ROWS,), np.float64)
    assert np.isfinite(predicted).all()
    order = np.random.default_rng(1).permutation(ROWS)[:17]
    np.testing.assert_allclose(case["model"].predict(case["X"][order]), predicted[order], atol=1e-5)


def used_memory() -> None:
    """Leave numbers that are none in the memory that is free."""
    for size in (1, 4, 16, 64, 256, 1024, 4096, 1 << 14, 1 << 17):
        for kind in (np.float32, np.float64):
            held = [np.full(size, np.nan, kind) for _ in range(40)]
            del held


def test_a_molecule_without_features_is_predicted_as_among_others(case: dict[str, Any]) -> None:
    """Alkanes have no pair of pharmacophores: nothing is read then that another request left in memory."""
    model, X = case["model"], case["X"]
    alone = np.zeros_like(X[:1])
    if case["name"] == "dmpnn":
        alone = featurizers.featurize(["graph", "descriptors"], [Molecule("C", Chem.MolFromSmiles("C"))])
    expected = model.predict(np.vstack([X, alone]))[-1]

    for _ in range(5):
        model.predict(X)
        used_memory()
        np.testing.assert_allclose(model.predict(alone), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [1.0, 0.0])
def test_no_product_is_over_nothing(value: float, tmp_path: Path) -> None:
    """ONNX Runtime 1.31 leaves such a product of whole numbers as it finds it in memory: a wrong distance."""
    X = np.hstack([features("gp"), np.full((ROWS, 3), value, dtype=np.float32)])
    config = gp.Config.model_validate({"task": "regression", "blocks": [{"columns": 20}, {"columns": 3}]})
    model = gp.train(X, labels("regression", X), config)
    model.save(tmp_path)
    content = (tmp_path / OnnxModel.FILE).read_bytes()
    products = [node for node in onnx.load_model_from_string(content).graph.node if node.op_type == "MatMulInteger"]
    assert products

    for node in products:
        shown = onnx.load_model_from_string(content)
        del shown.graph.output[:]
        shown.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.input[1]))
        session = open_session(shown.SerializeToString())
        (learned,) = session.run([node.input[1]], {"X": np.zeros_like(X[:1])})
        assert len(learned) > 0
    assert np.isfinite(model.predict(np.zeros_like(X[:1]))).all()


def test_a_kernel_model_of_earlier_bundles_has_no_product_over_nothing(tmp_path: Path) -> None:
    """Its graph is served as it is, and yet predicts a molecule without features as a batch does."""
    model, X = fitted("gp", "regression")
    model.save(tmp_path)
    path = tmp_path / OnnxModel.FILE
    graph = onnx.load_model_from_string(path.read_bytes())
    added = {node.output[0]: node.input[0] for node in graph.graph.node if node.op_type == "BitwiseOr"}
    kept = [node for node in graph.graph.node if node.op_type != "BitwiseOr"]
    for node in kept:
        node.input[:] = [added.get(name, name) for name in node.input]
    del graph.graph.node[:]
    graph.graph.node.extend(kept)
    path.write_bytes(graph.SerializeToString())
    earlier, alone = load_model(tmp_path), np.zeros_like(X[:1])
    assert added
    assert isinstance(earlier, OnnxModel)
    shown: list[int] = []
    run = earlier._session.run

    def spied(outputs: list[str], inputs: dict[str, NDArray[Any]]) -> Any:
        shown.append(int((inputs["X"].any(axis=1)).sum()))
        return run(outputs, inputs)

    earlier._session = SimpleNamespace(run=spied)
    np.testing.assert_allclose(earlier.predict(alone), model.predict(alone), rtol=1e-6)
    np.testing.assert_allclose(earlier.predict(X), model.predict(X), rtol=1e-6)
    assert shown[0] == 1  # a row that has features was beside it


def test_probabilities_are_probabilities(case: dict[str, Any]) -> None:
    """A binary model predicts in [0, 1]; unless it is naive, the classes are told apart on training rows."""
    if case["task"] == "regression":
        return
    predicted = case["model"].predict(case["X"])
    expected = labels("binary", case["X"])

    assert ((predicted >= 0) & (predicted <= 1)).all()
    if case["name"] in ("catboost", "gp", "rf", "svm", "xgb"):
        assert predicted[expected == 1].mean() > predicted[expected == 0].mean() + 0.05


def test_a_saved_model_predicts_the_same(case: dict[str, Any]) -> None:
    """What is loaded predicts what was fitted, also one row at a time and for no row at all."""
    loaded = load_model(case["folder"])
    expected = case["model"].predict(case["X"])

    np.testing.assert_allclose(loaded.predict(case["X"]), expected, atol=1e-3)
    np.testing.assert_allclose(
        [loaded.predict(case["X"][row : row + 1])[0] for row in range(8)], expected[:8], atol=1e-3
    )
    assert loaded.predict(case["X"][:0]).shape == (0,)


def test_a_loaded_model_can_be_saved_again(case: dict[str, Any], tmp_path: Path) -> None:
    """Saving what was loaded writes the same files."""
    load_model(case["folder"]).save(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in case["folder"].iterdir()
    }


def test_nothing_is_pickled(case: dict[str, Any]) -> None:
    """A saved model holds data-only formats, and no file of it is a pickle or an archive of some."""
    files = [path for path in case["folder"].rglob("*") if path.is_file()]

    assert files
    assert {path.suffix for path in files} <= DATA_ONLY
    assert not [
        path for path in files if path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")
    ]


def test_no_file_tells_where_it_was_made(case: dict[str, Any]) -> None:
    """A path of the machine that trained it, in a saved model, would lead to different versions."""
    for path in case["folder"].rglob("*"):
        assert not path.is_file() or (
            b"site-packages" not in path.read_bytes() and b"/model_zoo/" not in path.read_bytes()
        )


def test_equal_seeds_give_equal_models(case: dict[str, Any]) -> None:
    """Training twice with one seed predicts the same to the last digit."""
    again, X = fit(case["name"], case["task"])

    np.testing.assert_array_equal(again.predict(X), case["model"].predict(X))


@pytest.mark.parametrize("name", ["catboost", "dmpnn", "mlp", "rf", "xgb", "transformer"])
def test_the_seed_counts(name: str) -> None:
    """Another seed is another model: randomness comes from the configuration and nowhere else."""
    one, X = fitted(name, "regression")
    other, _ = fit(name, "regression", seed=1)

    assert not np.array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("name", SMALL)
def test_training_ignores_and_leaves_the_global_random_state(name: str) -> None:
    """NumPy's global generator neither influences a fit nor is moved by one."""
    np.random.seed(1)  # noqa: NPY002 - the global state is what this is about
    one, X = fit(name, "regression")
    np.random.seed(2)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    other, _ = fit(name, "regression")

    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("name", SMALL)
def test_training_leaves_its_data_alone(name: str) -> None:
    """Features and values are the same after a fit: the next fold learns from them too."""
    X = features(name)
    y = labels("regression", X)
    kept = X.copy(), y.copy()
    recipe = models.get(name)
    recipe.train(X, y, recipe.Config.model_validate(SMALL[name]))

    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])


@pytest.mark.parametrize("name", ["catboost", "dmpnn", "gp", "mlp", "rf", "svm", "xgb", "transformer"])
def test_equal_values_are_predicted(name: str) -> None:
    """A constant target trains, and its constant comes back."""
    X = features(name)
    recipe = models.get(name)
    predicted = recipe.train(X, np.full(ROWS, 3.0), recipe.Config.model_validate(SMALL[name])).predict(X)

    np.testing.assert_allclose(predicted, 3.0, atol=1.5 if name in ("mlp", "transformer") else 1e-3)


def test_xgboost_learns_large_values() -> None:
    """Its graph is compared on the scale of the values: percentages are no fault of float32."""
    X = features("xgb")
    recipe = models.get("xgb")
    y = 1e4 + 1e3 * labels("regression", X)
    predicted = recipe.train(X, y, recipe.Config()).predict(X)

    assert np.corrcoef(predicted, y)[0, 1] > 0.9


def test_catboost_with_equal_values_is_a_constant() -> None:
    """CatBoost refuses equal values; the model learns the constant without it."""
    recipe = models.get("catboost")
    model = recipe.train(np.eye(4, dtype=np.float32), np.full(4, 2.5), recipe.Config())

    assert isinstance(model, ConstantModel)
    assert model.value == 2.5


@pytest.mark.parametrize("loss", ["RMSE", "MAE"])
def test_catboost_learns_by_either_loss(loss: str) -> None:
    """Both losses of a regression give a graph that predicts better than a constant."""
    recipe = models.get("catboost")
    X = features("catboost")
    y = labels("regression", X)
    config = recipe.Config.model_validate({"iterations": 60, "learning_rate": 0.2, "rsm": 1.0, "loss": loss})
    predicted = recipe.train(X, y, config).predict(X)

    assert np.mean(np.abs(predicted - y)) < 0.7 * np.mean(np.abs(y - np.median(y)))


def test_training_data_of_one_class_is_no_crash_of_the_naive_model() -> None:
    """The baseline predicts the share of class 1, whatever it is."""
    recipe = models.get("naive")
    config = recipe.Config(task="binary")

    assert recipe.train(np.zeros((4, 1)), np.ones(4), config).predict(np.zeros((2, 1))).tolist() == [1.0, 1.0]


def test_loading_needs_no_training_library(tmp_path: Path) -> None:
    """The service loads every model and predicts, and no training library is imported."""
    for name in SMALL:
        model, X = fitted(name, "regression")
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
        np.save(tmp_path / name / "X.npy", X)
    code = (
        "import sys, pathlib, numpy as np\n"
        "from model_zoo.fitted_models.formats import load_model\n"
        "for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    assert np.isfinite(load_model(folder).predict(np.load(folder / 'X.npy'))).all()\n"
        "heavy = ('torch', 'sklearn', 'xgboost', 'catboost', 'pandas', 'onnxmltools', 'onnx', 'joblib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_reading_configuration_needs_no_training_library() -> None:
    """Looking up every model and its settings imports no training library: the plan answers at once."""
    code = (
        "import sys\nfrom model_zoo import models\n"
        "assert all(models.get(name).Config() for name in models.names())\n"
        "heavy = ('torch', 'sklearn', 'xgboost', 'catboost', 'pandas', 'onnxruntime')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_an_unknown_model_is_one_clear_error() -> None:
    """A name without a module says which there are; a private module is none."""
    for name in ("nothing", "_base", "_kernel", "__init__", "../rf"):
        with pytest.raises(ConfigError, match=f"expected one of {', '.join(models.names())}"):
            models.get(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected a model description"),
        ("", "expected a model description"),
        ("[]", "expected a model description"),
        ("{}", "expected a model description"),
        ('{"format": "pickle"}', "unknown model format 'pickle', expected one of constant, onnx"),
        ('{"format": ["onnx"]}', "unknown model format"),
        ('{"format": "constant"}', "the constant model cannot be loaded"),
        ('{"format": "constant", "value": "much"}', "the constant model cannot be loaded"),
        ('{"format": "onnx", "output": "y", "column": 0}', "the onnx model cannot be loaded"),
    ],
)
def test_a_broken_model_is_one_clear_error(tmp_path: Path, text: str | None, message: str) -> None:
    """A missing, unreadable or unknown description names the file or folder and what was expected."""
    if text is not None:
        (tmp_path / "model.json").write_text(text, encoding="utf-8")

    with pytest.raises(BundleError, match=message) as caught:
        load_model(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_graph_that_predicts_otherwise_is_refused(case: dict[str, Any]) -> None:
    """Export is checked: a graph that differs from its library by more than the tolerance, or is not finite, is a
    TrainingError.
    """
    loaded = load_model(case["folder"])
    if not isinstance(loaded, OnnxModel):
        assert isinstance(loaded, (ConstantModel, ObliviousModel))
        return
    expected = loaded.predict(case["X"])
    loaded.require_equal(case["X"], expected + 0.5e-3, 1e-3, "itself")

    for wrong in (expected + 2e-3, np.full(ROWS, np.nan)):
        with pytest.raises(TrainingError, match=r"differs from itself by .* expected at most 0.001"):
            loaded.require_equal(case["X"], wrong, 1e-3, "itself")


def test_a_description_is_readable(case: dict[str, Any]) -> None:
    """Every saved model says its format in plain JSON."""
    assert json.loads((case["folder"] / "model.json").read_text(encoding="utf-8"))["format"] in (
        "constant",
        "oblivious",
        "onnx",
    )
