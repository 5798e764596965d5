"""What the Python client makes of faults, of networks and proxies, and of services that are newer or older than it."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pytest

from serving.client import Client, NotReachableError, ServiceError
from serving.http.problems import TITLES
from serving.http.schemas import Problem
from tests.doubles.scripted_service import Answer, Request, server

PROBLEM = {"content-type": "application/problem+json", "retry-after": "5"}


def test_every_problem_of_the_service_is_raised_with_its_code() -> None:
    """Code, status, the service's words and the id of the request, whichever problem it is."""
    problems = [Problem(f"urn:{code}", title, status, f"what {code} is", code, f"request-{code}")
                for code, (status, title) in TITLES.items()]  # fmt: skip
    with server(lambda _, turn: (problems[turn - 1].status, PROBLEM, msgspec.json.encode(problems[turn - 1]))) as (
        url,
        seen,
    ):
        for each in problems:
            with pytest.raises(ServiceError) as raised:
                Client(url, retries=0).endpoints()
            error = raised.value
            assert (error.code, error.status, str(error)) == (each.code, each.status, each.detail)
            assert error.request_id == each.request_id

    assert len(seen) == len(TITLES)


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ((502, {}, b"<html>Bad Gateway</html>"), "unknown", "502"),
        ((504, {"content-type": "application/json"}, b'["late"]'), "unknown", "504"),
        ((500, {}, b'{"detail": null, "code": 5}'), "5", "500"),
        ((418, {}, b"\xff\xfe"), "unknown", "418"),
        ((404, {"content-length": "99"}, b'{"code": "unkn'), "unknown", "404"),
        ((200, {}, b"<html>Please log in</html>"), "unreadable-answer", "not JSON"),
        ((200, {}, b""), "unreadable-answer", "not JSON"),
        ((200, {}, b"\xff\xfe\x00"), "unreadable-answer", "not JSON"),
        ((200, {}, b'{"message": "hello"}'), "unreadable-answer", "predictions"),
        ((200, {}, b'[{"predictions": []}]'), "unreadable-answer", "expected an object, got list"),
        ((200, {}, b"null"), "unreadable-answer", "expected an object, got NoneType"),
        ((200, {}, b'{"predictions": {"0": 1}}'), "unreadable-answer", "expected a list, got dict"),
        (
            (200, {}, b'{"predictions": [{"index": 0, "smiles": "C", "endpoints": []}]}'),
            "unreadable-answer",
            "expected an object, got list",
        ),
        ((200, {"content-length": "99"}, b'{"predictions": []}'), "not-reachable", "80 bytes are missing"),
        ((200, {"transfer-encoding": "chunked"}, b'99\r\n{"pre'), "not-reachable", "ended early"),
    ],
)
def test_an_answer_of_something_else_is_an_error_of_the_client(answer: Answer, code: str, says: str) -> None:
    """Pages of proxies, other programs behind the address, and answers that break off are never other exceptions."""
    with server(lambda *_: answer) as (url, _), pytest.raises(ServiceError, match=says) as raised:
        Client(url, retries=0).predict(["C"])

    assert raised.value.code == code
    assert isinstance(raised.value, NotReachableError) == (code == "not-reachable")


def test_rows_and_events_that_cannot_be_read_are_errors_of_the_client() -> None:
    """A result and a stream of events are read as answers are."""
    with server(lambda *_: (200, {}, b"<html>\n")) as (url, _), pytest.raises(ServiceError, match="not JSON"):
        list(Client(url).results("j"))
    with server(lambda *_: (200, {}, b"event: done\ndata: {}\n\n")) as (url, _), pytest.raises(ServiceError) as raised:
        Client(url).wait("j")

    assert raised.value.code == "unreadable-answer"


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], ids=["head", "body"])
def test_silence_ends_after_the_time_that_was_given(begins: bytes) -> None:
    """A service that accepts the connection and says nothing, or breaks off in the middle, is not waited for longer."""
    over = threading.Event()

    def begin() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(begins)
            over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=begin)
        answering.start()
        began = time.monotonic()
        try:
            with pytest.raises(NotReachableError, match=r"timed out|TimeoutError") as raised:
                Client(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.2, retries=0).models()
        finally:
            over.set()
            answering.join()

    assert time.monotonic() - began < 10
    assert (raised.value.code, raised.value.status) == ("not-reachable", 0)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("0", 0, 0), ("3", 3, 3), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.1, 0.3), ("soon", 0.1, 0.3), ("-4", 0.1, 0.3)],
)
def test_a_pause_is_as_long_as_asked_or_the_clients_own(
    asked: str, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds are kept to; a date, as proxies send it, or nonsense is no reason to fail."""
    pauses: list[float] = []
    monkeypatch.setattr("serving.client.transport.time.sleep", pauses.append)
    with server(lambda _, turn: (503, {"retry-after": asked}, b"{}") if turn == 1 else (200, {}, b"[]")) as (url, _):
        assert Client(url).models() == []

    (pause,) = pauses
    assert least <= pause <= most


MAPPINGS = {"endpoints", "failed", "columns", "champions", "links", "absent", "callers", "card"}
"""Fields whose content has names of its own, to which no field is added."""
WORDS = {"reliability", "role", "relation", "status", "direction", "task", "format", "method", "catalogue", "code"}
"""Fields that hold one of some words."""
ADDED = {
    "notes", "failed", "alerts", "neighbours", "explanation", "reliability", "usual_error", "usual_error_unit",
    "no_interval", "interval_factor", "calibration", "percentile", "reference_name", "threshold", "provisional",
    "awaited", "display_unit", "card_markdown", "scale", "note",
}  # fmt: skip
"""Fields that services of earlier versions do not send."""


def newer(content: Any, name: str = "") -> Any:
    """Return an answer with fields and words that nobody knows yet."""
    if isinstance(content, dict):
        added = {} if name in MAPPINGS else {"of_tomorrow": {"deep": [{"smiles": None}]}}
        return {key: newer(each, key) for key, each in content.items()} | added
    if isinstance(content, list):
        return [newer(each) for each in content]
    return "of-tomorrow" if name in WORDS and isinstance(content, str) else content


def older(content: Any) -> Any:
    """Return an answer without the fields that came later; jobs and calibrations have none yet."""
    if isinstance(content, dict):
        whole = content.keys() & {"created", "needed"}
        return {key: older(each) for key, each in content.items() if whole or key not in ADDED}
    return [older(each) for each in content] if isinstance(content, list) else content


def through(address: str, change: Callable[[Any], Any]) -> Callable[[Request, int], Answer]:
    """Return what passes requests on to a service, and its answers back, changed."""

    def answer(request: Request, _: int) -> Answer:
        sent = {name: each for name, each in request.headers.items() if name.lower() != "host"}
        passed = urllib.request.Request(address + request.path, request.body or None, sent, method=request.command)
        with urllib.request.urlopen(passed) as got:
            content, kind = got.read(), got.headers.get_content_type()
        if kind == "application/json":
            content = json.dumps(change(json.loads(content))).encode()
        elif kind == "application/x-ndjson":
            content = b"".join(json.dumps(change(json.loads(row))).encode() + b"\n" for row in content.splitlines())
        return 200, {"content-type": kind}, content

    return answer


@pytest.mark.parametrize("change", [newer, older])
def test_a_service_of_another_version_is_understood(address: str, change: Callable[[Any], Any]) -> None:
    """Fields and words that the client does not know break nothing, nor do fields that it misses."""
    real = Client(address)
    with server(through(address, change)) as (url, _):
        client = Client(url)
        smiles = ["CCO", "CC(=O)Oc1ccccc1C(=O)O.Cl", "nope"]
        predicted = client.predict(smiles, include=["alerts", "neighbours"])
        table = client.predict_frame(pd.DataFrame({"smiles": smiles}), progress=False)
        job = client.wait(client.submit(smiles))
        rows = list(client.results(job))
        found = client.suggestion(job, endpoints=["solubility_logs"])
        listed = (client.endpoints(), client.models(), client.champion("bbb"), client.leaderboard("bbb"))
        calibration = client.calibration("bbb")

    expected = real.predict(smiles)
    values = [{name: one.value for name, one in each.endpoints.items()} for each in expected]
    assert [{name: one.value for name, one in each.endpoints.items()} for each in predicted] == values
    assert [{name: one.value for name, one in each.endpoints.items()} for each in rows] == values
    assert table["bbb_value"].tolist()[:2] == [each["bbb"] for each in values[:2]]
    assert predicted[2].error is not None
    assert expected[1].notes
    assert [note.detail for note in predicted[1].notes] == (
        [note.detail for note in expected[1].notes] if change is newer else []
    )
    assert found.goals == ["solubility_logs"]
    assert [each.name for each in listed[0]] == [each.name for each in real.endpoints()]
    assert listed[2].appointed == real.champion("bbb").appointed
    assert calibration.endpoint == "bbb"
