"""Bundles that are read when they are needed: the same answers, less memory, and nothing unseen is trusted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from model_zoo.bundles.on_demand import ModelMemory, OnDemandBundle
from model_zoo.bundles.reader import load_bundle
from model_zoo.errors import BundleError
from tests.bundle_factory import spoil_reference, training_molecules, write


def on_demand(folder: Path, memory: ModelMemory | None = None) -> OnDemandBundle:
    """Open a bundle as the service does."""
    return OnDemandBundle(lambda: folder, None, memory or ModelMemory(1e9))


def test_it_answers_as_a_bundle_that_was_loaded_whole(tmp_path: Path) -> None:
    """Predictions, neighbours and explanations are the same, whether the model was in memory or had to be read."""
    write(tmp_path, onnx_bias=0.5, explained=True)
    whole, opened = load_bundle(tmp_path), on_demand(tmp_path, ModelMemory(1))
    molecules = training_molecules()

    for _ in range(2):  # the explainer drives the model out, and the other way round
        got, expected = opened.predict(molecules), whole.predict(molecules)
        assert np.array_equal(got.value, expected.value)
        assert np.array_equal(got.similarity, expected.similarity)
        assert opened.nearest(molecules) == whole.nearest(molecules)
        assert opened.explainer is not None
        assert whole.explainer is not None
        mine, theirs = (each.explain(molecules[3]) for each in (opened.explainer, whole.explainer))
        assert repr(mine) == repr(theirs)


def test_models_longest_unused_make_room(tmp_path: Path) -> None:
    """No more than the bound is in memory, whatever is served, and everything still answers."""
    memory = ModelMemory(1)
    opened = []
    for number in range(3):
        write(tmp_path / str(number), onnx_bias=float(number))
        opened.append(on_demand(tmp_path / str(number), memory))
    molecules = training_molecules()

    first = [each.predict(molecules).value for each in opened]
    again = [each.predict(molecules).value for each in opened]

    assert np.array_equal(first, again)
    assert [memory.holds(each._keys["model"]) for each in opened] == [False, False, True]


def test_what_is_served_no_more_leaves_the_memory(tmp_path: Path) -> None:
    """A bundle that nobody holds takes its model along."""
    write(tmp_path, onnx_bias=0.5)
    memory = ModelMemory(1e9)
    opened = on_demand(tmp_path, memory)
    opened.require_sound()
    key = opened._keys["model"]
    assert memory.holds(key)

    del opened

    assert not memory.holds(key)


def test_opening_checks_every_file_and_predicts_nothing(tmp_path: Path) -> None:
    """Opening is cheap, and refuses what was altered."""
    write(tmp_path, onnx_bias=0.5)
    assert not on_demand(tmp_path).is_sound
    (tmp_path / "domain.npy").write_bytes(b"other")

    with pytest.raises(BundleError, match="altered"):
        on_demand(tmp_path)


def test_a_model_that_predicts_something_else_never_answers(tmp_path: Path) -> None:
    """One whose reference predictions are not reproduced is refused at its first prediction and ever after."""
    write(tmp_path, onnx_bias=0.5)
    spoil_reference(tmp_path)
    opened = on_demand(tmp_path)

    for ask in (opened.require_sound, partial(opened.predict, training_molecules()[:1]), lambda: opened.domain):
        with pytest.raises(BundleError, match="does not reproduce"):
            ask()


def test_a_file_that_is_altered_later_is_refused_when_the_model_is_read_again(tmp_path: Path) -> None:
    """What had to make room comes back only as what it was."""
    write(tmp_path / "one", onnx_bias=0.5)
    write(tmp_path / "other", onnx_bias=0.6)
    memory = ModelMemory(1)
    one, other = on_demand(tmp_path / "one", memory), on_demand(tmp_path / "other", memory)
    one.require_sound()
    other.require_sound()
    (tmp_path / "one" / "model" / "model.onnx").write_bytes((tmp_path / "other" / "model" / "model.onnx").read_bytes())

    with pytest.raises(BundleError, match="altered"):
        one.predict(training_molecules())


def test_a_model_in_memory_needs_no_file(tmp_path: Path) -> None:
    """What was fetched and loaded answers on when the fetched copy is cleared away."""
    write(tmp_path, onnx_bias=0.5)
    opened = on_demand(tmp_path)
    before = opened.predict(training_molecules()).value
    for path in (tmp_path / "model").iterdir():
        path.unlink()

    assert np.array_equal(opened.predict(training_molecules()).value, before)
