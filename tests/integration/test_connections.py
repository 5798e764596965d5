"""Connections that are only held: many of them, silent ones, halves of requests; against the service as a process."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_zoo.bundles.store import FolderStore
from tests.bundle_factory import publish
from tests.server_process import running_service

IDLE = 2.0
DRAIN = 4.0
HALF = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Run the service with short limits."""
    home = tmp_path_factory.mktemp("connections")
    publish(FolderStore(home / "store"), home / "bundle", value=1.0)
    with running_service(home, home / "log", AIDRUG_IDLE_SECONDS=str(IDLE)) as (address, _):
        yield "127.0.0.1", int(address.rsplit(":", 1)[1])


def predicted(place: tuple[str, int]) -> float:
    """Ask for a prediction over a new connection; give the seconds that it took."""
    begun = time.monotonic()
    request = urllib.request.Request(
        f"http://{place[0]}:{place[1]}/v1/predict",
        json.dumps({"smiles": ["CCO"]}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer)["predictions"][0]["endpoints"]
    return time.monotonic() - begun


def ended(connection: socket.socket) -> tuple[bytes, float]:
    """Read until the other side ends the connection; return what came and the seconds until then."""
    connection.settimeout(30)
    begun, received = time.monotonic(), b""
    while part := connection.recv(10_000):
        received += part
    return received, time.monotonic() - begun


def test_many_connections_that_are_held_cost_the_others_nothing(place: tuple[str, int]) -> None:
    """Ten times as many connections as were once accepted, and the next one is answered at once."""
    held = [socket.create_connection(place) for _ in range(400)]
    try:
        assert predicted(place) < IDLE
    finally:
        for connection in held:
            connection.close()


def test_a_connection_that_says_nothing_is_closed(place: tuple[str, int]) -> None:
    """Silence from the start, half a head, and silence after an answer all end with the time limit."""
    silent, half, kept = (socket.create_connection(place) for _ in range(3))
    half.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    kept.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    assert all(ended(connection)[1] < 4 * IDLE for connection in (silent, half, kept))


def test_half_a_body_is_answered_and_closed(place: tuple[str, int]) -> None:
    """Who stops sending is answered so within the limit; who sends a byte now and then, too."""
    stopped, dripping = (socket.create_connection(place) for _ in range(2))
    stopped.sendall(HALF)
    dripping.sendall(HALF)
    begun = time.monotonic()
    dripped = 0
    while dripped < 30:
        time.sleep(0.4)
        dripped += 1
        try:
            dripping.sendall(b" ")
        except OSError:
            break
        if time.monotonic() - begun > 2.5 * IDLE:
            break
    for response in (ended(stopped)[0], ended(dripping)[0]):
        assert b"408" in response.split(b"\r\n")[0]
        assert b'"code":"request-timeout"' in response
    assert time.monotonic() - begun < 5 * IDLE


@pytest.mark.parametrize("chunk", [b"ffffffffffffffff1\r\n{}", b"zz\r\n{}", b"2\r\n{}XX\r\n0\r\n\r\n"])
def test_a_body_in_chunks_that_are_none_is_the_callers_fault(place: tuple[str, int], chunk: bytes) -> None:
    """It is refused as malformed, and its connection closed, for nobody knows where the next request begins."""
    connection = socket.create_connection(place)
    connection.sendall(HALF.replace(b"Content-Length: 99", b"Transfer-Encoding: chunked").removesuffix(b"{") + chunk)
    response, seconds = ended(connection)

    assert b" 400 " in response.split(b"\r\n")[0]
    assert b'"code":"malformed-request"' in response
    assert seconds < IDLE


def test_the_end_does_not_wait_for_halves(tmp_path: Path) -> None:
    """When it ends, the service waits for no request that does not come, nor for one who does not read."""
    publish(FolderStore(tmp_path / "store"), tmp_path / "bundle", value=1.0)
    with running_service(tmp_path, tmp_path / "log", AIDRUG_DRAIN_SECONDS=str(DRAIN)) as (address, process):
        place = "127.0.0.1", int(address.rsplit(":", 1)[1])
        held = [socket.create_connection(place) for _ in range(3)]
        held[0].sendall(HALF)
        held[1].sendall(HALF[:40])
        predicted(place)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(3 * DRAIN) == 0
        assert time.monotonic() - begun < 1.5 * DRAIN
        for connection in held:
            connection.close()
