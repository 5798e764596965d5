"""Small, real bundles for tests of stores and service.

Belongs here: writing bundles quickly, with a constant or with a hand-made linear ONNX graph.
Does not belong here: training.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_zoo.bundles.card import ModelCard, parse_card
from model_zoo.bundles.manifest import FILE, version_of
from model_zoo.bundles.matched_pairs import MatchedPairs
from model_zoo.bundles.pointer import Pointer
from model_zoo.bundles.reader import Bundle
from model_zoo.bundles.store import Store
from model_zoo.bundles.writer import Background, write_bundle
from model_zoo.chemistry.molecules import Molecule, Standardise, parse_molecule
from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.data.reference_drugs import DrugList
from model_zoo.data.targets import Target
from model_zoo.featurizers import featurize
from model_zoo.fitted_models.formats import ConstantModel, Model, OnnxModel
from model_zoo.io.digests import file_digest
from model_zoo.uncertainty.applicability_domain import Domain

TRAINING = (
    "CCO", "CCN", "CCCC", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(=O)Oc1ccccc1C(=O)O", "CCCCO", "c1ccncc1", "CCOCC",
    "CC(C)O", "OCC(O)CO", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CC(=O)Nc1ccc(O)cc1", "CCC(=O)C",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C", "C1CCCCC1", "ClCCCl", "OC(=O)c1ccccc1O", "Nc1ccccc1", "COc1ccccc1", "CC#N", "CCS",
)  # fmt: skip


def training_molecules(smiles: Sequence[str] = TRAINING) -> list[Molecule]:
    """Return the molecules that a bundle says it was trained on."""
    parsed = [parse_molecule(text) for text in smiles]
    return [molecule for molecule in parsed if isinstance(molecule, Molecule)]


def linear_onnx(width: int, weights: Sequence[float], bias: float) -> OnnxModel:
    """Return an ONNX model that predicts `x[:len(weights)] @ weights + bias`."""
    matrix = np.zeros((width, 1), dtype=np.float32)
    matrix[: len(weights), 0] = weights
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["xw"]),
            helper.make_node("Add", ["xw", "b"], ["y"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(matrix, "w"), numpy_helper.from_array(np.array([bias], dtype=np.float32), "b")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    return OnnxModel(proto.SerializeToString(), "y", 0)


def write(
    folder: Path,
    *,
    endpoint: str = "solubility_logs",
    value: float = -1.0,
    onnx_bias: float | None = None,
    onnx_weights: Sequence[float] = (-0.005, -0.4, 0.01),
    binary: bool = False,
    standardise: Standardise | None = None,
    measured: Sequence[float] | None = None,
    errors: Sequence[float] = (),
    relations: Sequence[str] = (),
    drugs: DrugList | None = None,
    explained: bool = False,
    matched_pairs: MatchedPairs | None = None,
    card: Mapping[str, Any] | None = None,
    model_folder: Path | None = None,
    trained_on: Sequence[str] = TRAINING,
    **fields: Any,
) -> Bundle:
    """Write a bundle into a folder.

    Parameters
    ----------
    value
        What a constant model predicts.
    onnx_bias
        When given, the model is a linear ONNX graph over descriptors with this bias instead.
    onnx_weights
        Its weights for the first descriptors: molecular weight, logP, refractivity.
    measured
        Measured values of the training molecules.
    errors
        Their absolute out-of-fold errors, for a `trust` that gives each molecule its own interval.
    relations
        What the true values are to the measured ones, where some are bounds.
    drugs
        Drugs to give percentiles among.
    explained
        Whether the bundle can explain its predictions.
    matched_pairs
        What small changes did to measured values.
    card
        The model card; one that states next to nothing when omitted.
    model_folder
        A saved model instead of these, over Morgan counts or the `features` in `fields`.
    trained_on
        Standardised SMILES of its training molecules.
    fields
        Replace fields of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model: Model = ConstantModel(value)
    features: tuple[str, ...] = ("morgan_count",)
    molecules = training_molecules(trained_on)
    if onnx_bias is not None:
        features = ("descriptors",)
        width = featurize(features, molecules[:1]).shape[1]
        model = linear_onnx(width, onnx_weights, onnx_bias)
    manifest = {
        "endpoint": endpoint,
        "model": "linear" if onnx_bias is not None else "constant",
        "signature": "sha256:" + "ab12" * 16,
        "title": endpoint.replace("_", " ").capitalize(),
        "description": f"What {endpoint} means.",
        "unit": "probability" if binary else "log10 mol/L",
        "direction": "higher",
        "features": features,
        "standardise": standardise or Standardise(),
        "target": Target(task="binary" if binary else "regression"),
        "interval_half_width": None if binary else 0.8,
        **fields,
    }
    values = np.linspace(0, 1, len(molecules)).round() if binary else np.linspace(-8, 1, len(molecules))
    with tempfile.TemporaryDirectory() as scratch:
        model.save(Path(scratch))
        return write_bundle(
            folder,
            fields=manifest,
            card=model_card(card or {"scores": {"test": {"rmse": 0.7}}}),
            model_folder=model_folder or Path(scratch),
            domain=Domain(pack(molecules), 0.3, size_and_kind(molecules)),
            neighbours={
                "smiles": [molecule.smiles for molecule in molecules],
                "values": list(measured if measured is not None else values),
            }
            | ({"errors": list(errors)} if errors else {})
            | ({"relations": list(relations)} if relations else {}),
            background=Background(featurize(manifest["features"], molecules), drugs, matched_pairs=matched_pairs)
            if explained or drugs or matched_pairs
            else None,
            reference_smiles=["CCO", "c1ccccc1"],
        )


def copy_as_other(folder: Path) -> str:
    """Put a bundle beside itself that differs in a sentence; give its version."""
    manifest = json.loads((folder / FILE).read_bytes())
    manifest["description"] += " The other one."
    version = version_of(manifest)
    shutil.copytree(folder, folder.with_name(version))
    (folder.with_name(version) / FILE).write_text(json.dumps({**manifest, "version": version}))
    return version


def spoil_reference(folder: Path) -> str:
    """Let a bundle, whole by its checksums, say that its model predicts something else than it does; give its version.

    As one does that was made by a library which computes otherwise.
    """
    path = folder / "reference.json"
    reference = json.loads(path.read_text())
    path.write_text(json.dumps({**reference, "values": [value + 1 for value in reference["values"]]}))
    manifest = json.loads((folder / FILE).read_text())
    manifest["files"] = {name: file_digest(folder / name) for name in manifest["files"]}
    manifest["version"] = version_of(manifest)
    (folder / FILE).write_text(json.dumps(manifest))
    return str(manifest["version"])


def appoint_unseen(pointer: Pointer, endpoint: str, version: str = "v") -> Pointer:
    """Return the pointer with a version that is in no store, as one is named that was lost since."""
    made = pointer.appoint({endpoint: version}, by="test")
    now = made.endpoints[endpoint].model_copy(update={"manifest": "0" * 64})
    return made.model_copy(update={"endpoints": {**made.endpoints, endpoint: now}})


def model_card(content: Mapping[str, Any]) -> ModelCard:
    """Return a card of the present format that states this much."""
    return parse_card(json.dumps(content).encode(), "card.json").model_copy(update={"format": ModelCard.READER})


def publish(store: Store, folder: Path, **options: Any) -> str:
    """Write a bundle, put it into a store and make it current; give its version."""
    bundle = write(folder, **options)
    version = store.put_bundle(folder)
    store.update_pointer(lambda pointer: pointer.appoint({bundle.manifest.endpoint: version}, by="test"))
    return version
