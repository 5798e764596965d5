"""The service's contract, over HTTP but in this process: answers, faults, swaps, and what is never said."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore, Pointer
from model_zoo.chemistry.molecules import Standardise
from model_zoo.errors import ConfigError, StoreError
from serving.app import create_app
from serving.home import CHECKOUT
from serving.page.handlers import STATIC
from serving.settings import Settings
from tests.bundle_factory import publish, write

Client = TestClient[Any]
POLL = 0.02


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return an empty store."""
    return FolderStore(tmp_path / "store")


@contextmanager
def service(store: Any, **settings: Any) -> Iterator[Client]:
    """Run the service on a store."""
    with TestClient(create_app(Settings(poll_seconds=POLL, **settings), store)) as client:
        client.base_url = "http://127.0.0.1:8000"
        yield client


def wait(condition: Callable[[], bool]) -> None:
    """Wait until something the follower does is seen."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen within ten seconds"
        time.sleep(POLL)


def predict(client: Client, *smiles: str, **fields: Any) -> list[dict[str, Any]]:
    """Predict, and expect it to work."""
    response = client.post("/v1/predict", json={"smiles": list(smiles), **fields})
    assert response.status_code == 200, response.text
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def serving(client: Client, endpoint: str = "solubility_logs") -> str:
    """Return which version answers."""
    return str(predict(client, "CCO")[0]["endpoints"][endpoint]["champion"])


def test_a_prediction_carries_everything_the_contract_names(store: FolderStore, tmp_path: Path) -> None:
    """Value, unit, interval, similarity, domain, champion, model and signature come with every prediction."""
    version = publish(store, tmp_path / "bundle", value=-1.5)
    with service(store) as client:
        (entry,) = predict(client, "CC(=O)[O-].[Na+]", endpoints=["solubility_logs"])

    assert entry == {
        "index": 0,
        "smiles": "CC(=O)[O-].[Na+]",
        "endpoints": {
            "solubility_logs": {
                "value": -1.5,
                "unit": "log10 mol/L",
                "interval": [-2.3, -0.7],
                "interval_factor": 1.0,
                "calibration": "bundle",
                "no_interval": None,
                "reliability": None,
                "usual_error": None,
                "usual_error_unit": None,
                "percentile": None,
                "reference_name": None,
                "label": None,
                "threshold": None,
                "prediction_set": None,
                "similarity": 1.0,
                "domain": "inside",
                "standardised": "CC(=O)O",
                "champion": version,
                "role": "champion",
                "model": "constant",
                "signature": "ab12ab12ab12",
                "provisional": False,
            }
        },
        "notes": [{"code": "component-left-out", "detail": "left out: Na, known as a counter-ion"}],
    }


def test_a_binary_endpoint_has_no_interval(store: FolderStore, tmp_path: Path) -> None:
    """A probability comes without an interval, which is null."""
    publish(store, tmp_path / "bundle", endpoint="bbb", value=0.8, binary=True)
    with service(store) as client:
        (entry,) = predict(client, "CCO")

    assert entry["endpoints"]["bbb"]["interval"] is None


def test_bad_molecules_keep_their_index_and_fail_nobody(store: FolderStore, tmp_path: Path) -> None:
    """Every molecule answers at its own index, good or bad, repeated or not."""
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    smiles = ["CCO", "not a molecule", "", "c1ccccc1", "C" * 601, "C" * 200, "C1CC", "CCO", "[Xx]", "CCO name", "\x00"]
    with service(store) as client:
        entries = predict(client, *smiles)
        alone = predict(client, "c1ccccc1")[0]
    codes = [entry.get("error", {}).get("code") for entry in entries]

    assert [entry["index"] for entry in entries] == list(range(len(smiles)))
    assert [entry["smiles"] for entry in entries] == smiles
    assert codes == [
        None, "invalid-smiles", "empty", None, "too-long", "too-large", "invalid-smiles", None, "invalid-smiles",
        "invalid-smiles", "invalid-smiles",
    ]  # fmt: skip
    assert all(("error" in entry) != ("endpoints" in entry) for entry in entries)
    assert entries[0]["endpoints"] == entries[7]["endpoints"]
    assert entries[3]["endpoints"] == alone["endpoints"]


def test_a_molecule_far_from_all_training_molecules_is_outside(store: FolderStore, tmp_path: Path) -> None:
    """The domain says when not to trust a prediction."""
    publish(store, tmp_path / "bundle")
    with service(store) as client:
        entry = predict(client, "FC(F)(F)c1nnc(SCC2CCNS2(=O)=O)s1")[0]["endpoints"]["solubility_logs"]

    assert entry["domain"] == "outside"
    assert 0 <= entry["similarity"] < 0.3


def test_endpoints_are_those_asked_for_in_that_order(store: FolderStore, tmp_path: Path) -> None:
    """A request chooses its endpoints; left out, it gets every one that has a champion."""
    for name in ("a", "b", "c"):
        publish(store, tmp_path / name, endpoint=name, onnx_bias=1.0)
    with service(store) as client:
        chosen = predict(client, "CCO", endpoints=["c", "a"])[0]["endpoints"]
        everything = predict(client, "CCO")[0]["endpoints"]

    assert list(chosen) == ["c", "a"]
    assert list(everything) == ["a", "b", "c"]


def test_endpoints_may_standardise_differently(store: FolderStore, tmp_path: Path) -> None:
    """Each endpoint predicts the form its model was trained on."""
    publish(store, tmp_path / "a", endpoint="neutral")
    publish(store, tmp_path / "b", endpoint="as_drawn", standardise=Standardise(uncharge=False))
    with service(store) as client:
        got = predict(client, "CC(=O)[O-].[Na+]")[0]["endpoints"]

    assert got["neutral"]["standardised"] == "CC(=O)O"
    assert got["as_drawn"]["standardised"] == "CC(=O)[O-]"


def test_an_endpoint_without_a_finite_number_costs_no_other_endpoint(store: FolderStore, tmp_path: Path) -> None:
    """A molecule keeps the values of the endpoints that have one; the endpoint that has none says why."""
    publish(store, tmp_path / "a", endpoint="bad", onnx_bias=0.0, onnx_weights=[3e36])
    publish(store, tmp_path / "b", endpoint="good")
    with service(store) as client:
        light, heavy = predict(client, "CCO", "C" * 20)
        page = client.post("/", data={"smiles": "CCO\n" + "C" * 20}).text
        table = client.post("/page/csv", data={"smiles": "C" * 20}).text

    assert list(light["endpoints"]) == ["bad", "good"]
    assert list(heavy["endpoints"]) == ["good"]
    assert heavy["failed"]["bad"]["code"] == "prediction-failed"
    assert "error" not in heavy
    assert "failed" not in light
    assert "the model gave no finite number" in page
    assert "the model gave no finite number" in table


def test_what_was_left_out_of_a_structure_is_told(store: FolderStore, tmp_path: Path) -> None:
    """A salt's counter-ion is named in every answer: API, page, preview, CSV, `/v2`; a molecule alone has no notes."""
    publish(store, tmp_path / "a", endpoint="logs")
    salt, detail = "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]", "left out: Na, known as a counter-ion"
    with service(store) as client:
        (alone,) = predict(client, "CCO")
        for _ in range(2):  # computed, then remembered
            (entry,) = predict(client, salt)
            assert entry["notes"] == [{"code": "component-left-out", "detail": detail}]
        (racemate,) = predict(client, "C[C@H](N)CO |&1:1|")
        pages = [
            client.post(path, data={"smiles": f"{salt} sodium salt"}, headers=headers).text
            for path, headers in (("/", {}), ("/page/preview", {"X-Fragment": "preview"}), ("/page/csv", {}))
        ]
        body = {"inputs": [{"name": "smiles", "shape": [2], "datatype": "BYTES", "data": [salt, "*C"]}]}
        outputs = {
            each["name"]: each["data"] for each in client.post("/v2/models/logs/infer", json=body).json()["outputs"]
        }
        metal, mixture = predict(client, "N.N.Cl[Pt]Cl", "CCO.CCN.CCCCC")

    assert "notes" not in alone
    assert racemate["notes"][0]["code"] == "stereo-mixture"
    assert all(detail in page for page in pages)
    assert outputs["notes"] == [detail, None]
    assert outputs["error"][1].startswith("incomplete-structure: expected one whole molecule")
    assert [metal["error"]["code"], mixture["error"]["code"]] == ["metal", "mixture"]


def test_a_model_that_fails_on_one_molecule_answers_the_others(store: FolderStore, tmp_path: Path) -> None:
    """A molecule whose prediction is no finite number is an error entry; the next one is not."""
    publish(store, tmp_path / "bundle", onnx_bias=0.0, onnx_weights=[3e36])
    with service(store) as client:
        light, heavy, lighter = predict(client, "CCO", "C" * 20, "C")

    assert heavy["error"]["code"] == "prediction-failed"
    assert light["endpoints"]["solubility_logs"]["value"] == pytest.approx(46.04 * 3e36, rel=1e-3)
    assert "endpoints" in lighter


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        (b'{"smiles": []}', 422, "invalid-request", "expected 1 to 3 molecules, got 0"),
        (b'{"smiles": ["C", "C", "C", "C"]}', 422, "invalid-request", "expected 1 to 3 molecules, got 4"),
        (b'{"smiles": "CCO"}', 422, "invalid-request", "smiles: Expected `array`, got `str`"),
        (b'{"smiles": ["C", 3]}', 422, "invalid-request", "smiles[1]: Expected `str`, got `int`"),
        (b'{"smiles": null}', 422, "invalid-request", "Expected `array`, got `null`"),
        (b"{}", 422, "invalid-request", "smiles"),
        (b'{"smile": ["C"]}', 422, "invalid-request", "unknown field `smile`"),
        (b'{"smiles": ["C"], "endpoints": []}', 422, "invalid-request", "at least one name"),
        (b'{"smiles": ["C"], "endpoints": "a"}', 422, "invalid-request", "Expected `array | null`, got `str`"),
        (b'{"smiles": ["C"], "endpoints": ["hergg"]}', 422, "unknown-endpoints", "solubility_logs, got 'hergg'"),
        (b"[1]", 422, "invalid-request", "Expected `object`, got `array`"),
        (b"", 422, "invalid-request", "expected a JSON object, got an empty body"),
        (b'{"smiles": ["C"', 400, "malformed-request", ""),
        (b"CCO", 400, "malformed-request", ""),
        (b"\xff\xfe", 400, "malformed-request", ""),
        (b'{"smiles": ["' + b"C" * 30_000 + b'"]}', 413, "body-too-large", "at most 20000 bytes"),
    ],
)
def test_a_faulty_request_says_what_was_expected(
    store: FolderStore, tmp_path: Path, body: bytes, status: int, code: str, says: str
) -> None:
    """A fault of the whole request is problem details with a stable code and a helpful sentence."""
    publish(store, tmp_path / "bundle")
    with service(store, max_molecules=3, max_body_bytes=20_000) as client:
        response = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    problem = response.json()

    assert response.status_code == problem["status"] == status
    assert response.headers["content-type"].startswith("application/problem+json")
    assert problem["code"] == code
    assert problem["type"].endswith(code)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert says in problem["detail"]
    assert problem["title"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/endpoints/herg", 404, "unknown-endpoint"),
        ("GET", "/v1/champions/herg", 404, "unknown-endpoint"),
        ("POST", "/v1/champions/herg/rollback", 404, "unknown-endpoint"),
        ("GET", "/v1/predict", 405, "method-not-allowed"),
        ("GET", "/static/../settings.py", 404, "not-found"),
    ],
)
def test_a_wrong_address_is_a_problem_too(
    store: FolderStore, tmp_path: Path, method: str, path: str, status: int, code: str
) -> None:
    """Every fault has one shape, wherever it is found."""
    publish(store, tmp_path / "bundle")
    with service(store) as client:
        response = client.request(method, path)

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_an_unexpected_fault_tells_nothing_of_inside_or_of_the_molecule(
    store: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug answers 500 without its message; the log holds place and request, never a structure."""
    publish(store, tmp_path / "bundle")
    app = create_app(Settings(poll_seconds=POLL), store)
    smiles = "CC(=O)Oc1ccccc1C(=O)O"

    async def broken(*_: Any) -> None:
        raise RuntimeError("terces"[::-1] + smiles)

    app.state.engine.rollout.answer = broken
    with TestClient(app, raise_server_exceptions=False) as client, caplog.at_level(logging.DEBUG):
        response = client.post("/v1/predict", json={"smiles": [smiles]})

    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text + caplog.text
    assert "c1ccccc1" not in response.text + caplog.text
    assert "RuntimeError" in caplog.text
    assert response.json()["request_id"] in caplog.text


def test_structures_never_reach_the_log(
    store: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither good nor bad molecules are logged or printed, by us or by RDKit."""
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    with service(store) as client, caplog.at_level(logging.DEBUG):
        predict(client, "CCSCCBr", "CCSC(Br", "CCSC(Br)(Br)(Br)(Br)Br")
        client.post("/", data={"smiles": "CCSCCBr\nCCSC(Br"})
    written = caplog.text + "".join(capfd.readouterr())

    assert "CCSC" not in written


def test_an_empty_store_waits_and_then_serves(store: FolderStore, tmp_path: Path) -> None:
    """Without a champion the service lives, is not ready, says why, and picks the first one up by itself."""
    with service(store) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        assert client.get("/v1/endpoints").json() == []
        refused = client.post("/v1/predict", json={"smiles": ["CCO"]})
        assert (refused.status_code, refused.json()["code"]) == (503, "no-champion")
        assert refused.headers["retry-after"]
        assert "still being trained" in client.get("/").text

        version = publish(store, tmp_path / "bundle")
        wait(lambda: client.get("/health/ready").status_code == 200)
        ready = client.get("/health/ready").json()

    assert ready["endpoints"] == {
        "solubility_logs": {"version": version, "model": "constant", "provisional": False, "earlier_rules": []}
    }
    assert (ready["status"], ready["generation"], ready["errors"], ready["store_error"]) == ("ready", 1, {}, None)


def test_a_new_champion_is_served_without_a_restart(store: FolderStore, tmp_path: Path) -> None:
    """The service follows the pointer, and remembered results of the old champion are not mixed in."""
    old = publish(store, tmp_path / "old", value=1.0)
    with service(store) as client:
        assert serving(client) == old
        new = publish(store, tmp_path / "new", value=2.0)
        wait(lambda: serving(client) == new)

        assert predict(client, "CCO")[0]["endpoints"]["solubility_logs"]["value"] == 2.0


def corrupt(store: FolderStore, version: str, endpoint: str = "solubility_logs") -> None:
    """Damage one byte of a published bundle's model."""
    path = store.bundle_folder(endpoint, version) / "model" / "model.json"
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))


@pytest.mark.game_day(fault="a poisoned bundle", message="is not served")
def test_a_corrupt_bundle_leaves_the_old_champion_serving(
    store: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bundle that fails its checks is refused, reported once, and other endpoints swap all the same."""
    old = publish(store, tmp_path / "old", value=1.0)
    publish(store, tmp_path / "other", endpoint="other", value=1.0)
    with service(store) as client, caplog.at_level(logging.ERROR):
        bad = store.put_bundle(write(tmp_path / "bad", value=2.0).folder)
        better = store.put_bundle(write(tmp_path / "better", endpoint="other", value=2.0).folder)
        corrupt(store, bad)
        store.update_pointer(lambda now: now.appoint({"solubility_logs": bad, "other": better}, by="test"))
        wait(lambda: bool(client.get("/health/ready").json()["errors"]))
        time.sleep(POLL * 10)
        ready = client.get("/health/ready")
        champion = client.get("/v1/champions/solubility_logs").json()

        assert serving(client) == old
        assert serving(client, "other") == better
    fault = ready.json()["errors"]["solubility_logs"]
    assert ready.status_code == 200
    assert (fault["version"], fault["retried"]) == (bad, False)
    assert "checksum differs" in fault["detail"]
    assert str(tmp_path) not in ready.text
    assert (champion["appointed"]["version"], champion["serving"]) == (bad, old)
    assert caplog.text.count("is not served") == 1


def test_a_refused_first_champion_is_not_ready(store: FolderStore, tmp_path: Path) -> None:
    """A first champion that cannot be loaded leaves the endpoint unserved, and a good one repairs it."""
    bad = store.put_bundle(write(tmp_path / "bad", value=2.0).folder)
    corrupt(store, bad)
    store.update_pointer(lambda now: now.appoint({"solubility_logs": bad}, by="test"))
    with service(store) as client:
        wait(lambda: bool(client.get("/health/ready").json()["errors"]))
        asked = client.post("/v1/predict", json={"smiles": ["CCO"], "endpoints": ["solubility_logs"]})
        assert (asked.status_code, asked.json()["code"]) == (503, "no-champion")
        good = publish(store, tmp_path / "good", value=5.0)
        wait(lambda: client.get("/health/ready").status_code == 200)

        assert serving(client) == good
        assert client.get("/health/ready").json()["errors"] == {}


def test_a_bundle_that_arrives_late_is_served_in_the_end(store: FolderStore, tmp_path: Path) -> None:
    """A bundle that is not there yet is asked for again; a store may be behind its pointer."""
    folder = tmp_path / "late"
    version = publish(store, folder)
    shutil.rmtree(store.bundle_folder("solubility_logs", version))
    with service(store) as client:
        wait(lambda: client.get("/health/ready").json()["errors"] != {})
        assert client.get("/health/ready").json()["errors"]["solubility_logs"]["retried"]
        store.put_bundle(folder)
        wait(lambda: client.get("/health/ready").status_code == 200)

        assert serving(client) == version


def test_a_bundle_that_says_it_is_another_is_refused(store: FolderStore, tmp_path: Path) -> None:
    """A whole bundle under a wrong name serves nothing."""
    publish(store, tmp_path / "good", value=1.0)
    other = write(tmp_path / "other", endpoint="other", value=2.0)
    shutil.copytree(other.folder, store.bundle_folder("solubility_logs", "fake-0"))
    with pytest.raises(StoreError, match="its manifest says that it is other/"):
        store.update_pointer(lambda now: now.appoint({"solubility_logs": "fake-0"}, by="test"))
    named = {"version": "fake-0", "since": "2026-01-31T12:00:00+00:00", "by": "a version that did not look"}
    with service(store) as client:
        landed = {"format": 1, "generation": 2, "endpoints": {"solubility_logs": named}}
        (store.root / "current.json").write_text(json.dumps(landed))
        wait(lambda: bool(client.get("/health/ready").json()["errors"]))

        assert "the pointer says otherwise" in client.get("/health/ready").text


@pytest.mark.game_day(
    fault="the pointer of the bundle store is damaged", message="the bundle store cannot be followed: ..."
)
@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 9}', b"\xff"])
def test_a_broken_pointer_changes_nothing(store: FolderStore, tmp_path: Path, content: bytes) -> None:
    """Half a pointer keeps everything serving, is reported, and a whole one ends it."""
    old = publish(store, tmp_path / "old", value=1.0)
    with service(store) as client:
        whole = (store.root / "current.json").read_bytes()
        (store.root / "current.json").write_bytes(content)
        wait(lambda: client.get("/health/ready").json()["store_error"] is not None)
        assert serving(client) == old
        (store.root / "current.json").write_bytes(whole)
        wait(lambda: client.get("/health/ready").json()["store_error"] is None)

        assert serving(client) == old


class UnreachableStore:
    """A store that does not answer until it does: the network's part in these tests."""

    def __init__(self, store: FolderStore) -> None:
        self.store, self.reachable, self.asked = store, False, 0

    def read_pointer_bytes(self) -> bytes | None:
        """Answer, or not."""
        self.asked += 1
        if not self.reachable:
            raise StoreError("the store does not answer")
        return self.store.read_pointer_bytes()

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Pass on."""
        return self.store.update_pointer(change)

    def put_bundle(self, folder: Path) -> str:
        """Pass on."""
        return self.store.put_bundle(folder)

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Pass on."""
        return self.store.fetch_bundle(endpoint, version)

    def read_manifest_bytes(self, endpoint: str, version: str) -> bytes:
        """Pass on."""
        return self.store.read_manifest_bytes(endpoint, version)


def test_a_store_out_of_reach_is_asked_ever_more_slowly(store: FolderStore, tmp_path: Path) -> None:
    """An unreachable store is reported and retried with growing pauses, and served from once it answers."""
    version = publish(store, tmp_path / "bundle")
    unreachable = UnreachableStore(store)
    with service(unreachable) as client:
        wait(lambda: client.get("/health/ready").json()["store_error"] == "the store does not answer")
        time.sleep(1.0)
        asked = unreachable.asked
        unreachable.reachable = True
        wait(lambda: client.get("/health/ready").status_code == 200)

        assert serving(client) == version
    assert asked < 10, "asked at the usual pace"


def test_a_champion_shows_its_card_and_history(store: FolderStore, tmp_path: Path) -> None:
    """Card, appointment and earlier champions can be read, and so can what endpoints and models mean."""
    first, second = (publish(store, tmp_path / str(value), value=value) for value in (1.0, 2.0))
    with service(store) as client:
        champion = client.get("/v1/champions/solubility_logs").json()
        endpoint = client.get("/v1/endpoints/solubility_logs").json()
        endpoints = client.get("/v1/endpoints").json()
        (model,) = client.get("/v1/models").json()

    assert champion["appointed"]["version"] == champion["serving"] == second
    assert [entry["version"] for entry in champion["history"]] == [first]
    assert champion["card"]["scores"] == {"test": {"rmse": 0.7}}
    assert endpoints == [endpoint]
    assert (endpoint["unit"], endpoint["direction"], endpoint["task"]) == ("log10 mol/L", "higher", "regression")
    assert endpoint["champion"]["version"] == second
    assert endpoint["champion"]["since"] == champion["appointed"]["since"]
    assert (model["version"], model["features"]) == (second, ["morgan_count"])


def test_rolling_back_serves_the_previous_champion_at_once(store: FolderStore, tmp_path: Path) -> None:
    """One call puts the previous champion back, holds the other, and the next prediction is the previous one's."""
    first, second = (publish(store, tmp_path / str(value), value=value) for value in (1.0, 2.0))
    with service(store) as client:
        assert serving(client) == second
        response = client.post("/v1/champions/solubility_logs/rollback")
        assert serving(client) == first
        again = client.post("/v1/champions/solubility_logs/rollback")

    assert (response.status_code, response.json()["serving"], response.json()["held"]) == (200, first, second)
    assert response.json()["appointed"]["by"] == "rollback"
    assert (again.status_code, again.json()["code"]) == (409, "nothing-to-roll-back")


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({}, {"origin": "http://127.0.0.1:8000"}, 200),
        ({}, {"origin": "https://elsewhere.example"}, 403),
        ({}, {"origin": "null"}, 403),
        ({}, {"host": "rebound.example:8000"}, 403),
        ({"host": "0.0.0.0"}, {}, 401),  # noqa: S104
        ({"host": "0.0.0.0", "admin_token": "t"}, {}, 401),  # noqa: S104
        ({"host": "0.0.0.0", "admin_token": "t"}, {"authorization": "Bearer t"}, 200),  # noqa: S104
        ({"admin_token": "t"}, {}, 401),
        ({"admin_token": "t"}, {"authorization": "Bearer wrong"}, 401),
        ({"admin_token": "t"}, {"authorization": "bearer t"}, 200),
    ],
)
def test_only_an_administrator_rolls_back(
    store: FolderStore, tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    """Rolling back takes the token or, without one, a caller on this machine that is not another site's page."""
    for value in (1.0, 2.0):
        publish(store, tmp_path / str(value), value=value)
    with service(store, **settings) as client:
        response = client.post("/v1/champions/solubility_logs/rollback", headers=headers)

    assert response.status_code == status
    assert status == 200 or response.json()["code"] == {401: "unauthorized", 403: "forbidden"}[status]


@pytest.mark.parametrize(
    "path", ["/", "/health/live", "/nowhere", "/schema", "/schema/openapi.json", "/static/page.css"]
)
def test_every_answer_carries_the_headers(store: FolderStore, tmp_path: Path, path: str) -> None:
    """Request identity and security headers are on every answer, faults and files included."""
    publish(store, tmp_path / "bundle")
    with service(store) as client:
        headers = client.get(path, headers={"x-request-id": "caller-12345"}).headers
        other = client.get(path, headers={"x-request-id": "bad id\t"}).headers

    assert headers["x-request-id"] == "caller-12345"
    assert len(other["x-request-id"]) == 32
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("max-age=86400, public" if path.startswith("/static") else "no-store")


def test_the_api_describes_itself(store: FolderStore) -> None:
    """The OpenAPI description names every address, and its page needs no other host."""
    with service(store) as client:
        schema = client.get("/schema/openapi.json").json()
        page = client.get("/schema").text

    assert {path for path in schema["paths"] if not path.startswith("/v2")} == {
        "/v1/predict", "/v1/endpoints", "/v1/endpoints/{name}", "/v1/models", "/v1/champions/{name}",
        "/v1/champions/{name}/rollback", "/v1/champions/{name}/promote", "/v1/feedback", "/v1/reviews/{name}",
        "/v1/feedback/withdraw", "/v1/calibrations/{name}",
        "/health/live", "/health/ready", "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/result", "/v1/jobs/{job_id}/suggestion", "/v1/leaderboards/{name}", "/v1/predictions.csv",
    }  # fmt: skip
    assert "http" not in page.replace('http-equiv="', "")
    fields = {
        name: field for each in schema["components"]["schemas"].values() for name, field in each["properties"].items()
    }
    assert [name for name, field in fields.items() if field.get("deprecated")] == ["domain"]


def test_vendored_files_are_those_that_were_recorded() -> None:
    """Every vendored file is recorded with its checksum, and a licence comes with it."""
    vendor = STATIC / "vendor"
    recorded = {
        name: sha for entry in json.loads((vendor / "vendor.json").read_text()) for name, sha in entry["files"].items()
    }
    present = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "vendor.json"
    }

    assert present == recorded
    assert any(name.endswith("/LICENSE") for name in recorded)


def test_the_page_answers_a_plain_form(store: FolderStore, tmp_path: Path) -> None:
    """Without JavaScript the form still predicts, and what was written is never mark-up."""
    publish(store, tmp_path / "bundle", value=-1.5)
    with service(store) as client:
        page = client.post("/", data={"smiles": "CCO <b>ethanol</b>\n<script>alert(1)</script>"})
        fragment = client.post("/", data={"smiles": "CCO"}, headers={"x-fragment": "results"})
        nothing = client.post("/", data={"smiles": " \n "})

    assert page.status_code == 200
    assert "\N{MINUS SIGN}1.50" in page.text
    assert "&lt;b&gt;ethanol" in page.text
    assert "<b>ethanol" not in page.text
    assert "<script>alert" not in page.text
    assert "style=" not in page.text
    assert fragment.text.lstrip().startswith('<div id="cards"')
    assert nothing.status_code == 422
    assert "Write at least one molecule" in nothing.text


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AIDRUG_SERVICE_PORT", "http", "AIDRUG_SERVICE_PORT: expected a whole number from 1 to 65535, got 'http'"),
        ("AIDRUG_SERVICE_PORT", "70000", "got '70000'"),
        ("AIDRUG_SERVICE_POLL_SECONDS", "nan", "expected a number of seconds"),
        ("AIDRUG_MAX_MOLECULES", "1.5", "expected a whole number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str, says: str) -> None:
    """A wrong setting is refused with its name, what was expected and what came."""
    with pytest.raises(ConfigError, match=says):
        Settings.from_environment({name: value})


def test_settings_come_from_the_environment() -> None:
    """Every setting has a default and a variable; the token is never shown."""
    default = Settings.from_environment({"AIDRUG_SERVICE_PORT": ""})
    given = Settings.from_environment(
        {
            "AIDRUG_HOME": "/srv/x",
            "AIDRUG_SERVICE_PORT": "9000",
            "AIDRUG_ADMIN_TOKEN": "hush",
            "AIDRUG_MAX_HEAVY_ATOMS": "9",
        }
    )

    assert (default.store, default.host, default.port, default.max_molecules) == (
        str(CHECKOUT / ".aidrug" / "store"),
        "127.0.0.1",
        8000,
        256,
    )
    assert (given.store, given.port, given.limits.max_heavy_atoms) == ("/srv/x/store", 9000, 9)
    assert "hush" not in repr(given)


def test_nothing_is_declared_in_a_way_that_a_later_release_drops(store: FolderStore) -> None:
    """The framework says at registration what it is going to drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        create_app(Settings(poll_seconds=POLL), store)
