"""A real S3 server on this machine, with credentials that it checks: SeaweedFS from its package.

Belongs here: starting it on free ports, stopping it for sure, and a wire to it that can be cut.
Does not belong here: what a test asks of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.server_process import free_port

KEY, SECRET = "a-key", "a-secret"


def weed() -> str | None:
    """Find the server's program beside this interpreter, or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def credentials(address: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """Return the environment that points boto3, DVC and MLflow at a server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(address: str) -> Any:
    """Return a client of boto3 with the right credentials."""
    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """Run the server and give its address once it answers.

    Raises
    ------
    RuntimeError
        When it does not answer within 120 seconds.
    """
    program = weed()
    assert program is not None
    config = folder / "identities.json"
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    config.write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    ports |= {name.replace(".port", ".port.grpc"): free_port() for name in list(ports)}
    log = folder / "weed.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
                *(
                    "-iam=false",
                    "-s3.iam=false",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.config={config}",
                    "-master.telemetry=false",
                ),
                *("-volume.max=200", "-master.volumeSizeLimitMB=64"),
                *(f"-{name}={port}" for name, port in ports.items()),
            ],
            cwd=folder,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        )
    address = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        until = time.monotonic() + 120
        while not _takes_writes(address):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _takes_writes(address: str) -> bool:
    """Answering comes before storing: the parts of the server find one another last."""
    try:
        with urllib.request.urlopen(f"{address}/status", timeout=2):
            pass
    except urllib.error.HTTPError:
        pass
    except OSError:
        return False
    s3 = client(address)
    try:
        with contextlib.suppress(s3.exceptions.BucketAlreadyExists, s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket="probe")
        s3.put_object(Bucket="probe", Key="probe", Body=b"1")
    except Exception:  # noqa: BLE001  whatever it says while it starts
        return False
    return True


@dataclass
class Wire:
    """A wire to a server on this machine, cut after a number of bytes towards it."""

    address: str
    allowed: int
    sent: int = 0

    def is_cut(self) -> bool:
        """Return whether enough went through."""
        return self.sent > self.allowed


@contextmanager
def cuttable_wire(target: str, allowed_bytes: int) -> Iterator[Wire]:
    """Pass connections on to a server until so many bytes were sent to it; then cut them all, and refuse new ones."""
    host, port = target.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}", allowed_bytes)
    stopped = threading.Event()

    def pump(source: socket.socket, sink: socket.socket, *, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(16384)) and not (counted and wire.is_cut()):
                sink.sendall(data)
                wire.sent += len(data) if counted else 0
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while not stopped.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            if wire.is_cut():
                near.close()
                continue
            far = socket.create_connection((host, int(port)))
            threading.Thread(target=pump, args=(near, far), kwargs={"counted": True}, daemon=True).start()
            threading.Thread(target=pump, args=(far, near), kwargs={"counted": False}, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield wire
    finally:
        stopped.set()
        listener.close()
