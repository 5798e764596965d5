"""A Postgres server on the loopback address, for what runs past one host.

Belongs here: starting and stopping it. Does not belong here: what is stored in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.server_process import free_port

PASSWORD = "stand-in:42%"  # noqa: S105 - with characters that an address must quote


def postgres() -> Path | None:
    """Find the folder of Postgres's programs; Debian keeps them off PATH."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@contextmanager
def running_postgres() -> Iterator[dict[str, str]]:
    """Run a server with an empty database `dagster`; give the settings that lead there."""
    programs = postgres()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:  # not pytest's: only its owner may enter that one
        yield from _run(programs, Path(folder))


def _run(programs: Path, home: Path) -> Iterator[dict[str, str]]:
    somebody: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    if somebody:  # it refuses to run as root
        shutil.chown(home, **somebody)
    secret = home / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(*command: str | Path, text: str = "") -> None:
        done = subprocess.run(command, cwd=home, input=text, capture_output=True, text=True, check=False, **somebody)
        assert done.returncode == 0, done.stderr

    data, port = home / "data", free_port()
    words = ("-U", "aidrug", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "--no-locale", "-E", "UTF8")
    run(programs / "initdb", "-D", data, *words)
    run(programs / "postgres", "--single", "-D", data, "postgres", text="CREATE DATABASE dagster;\n")
    settings = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={home}", "fsync=off")
    command = [str(programs / "postgres"), "-D", str(data), *(word for one in settings for word in ("-c", one))]
    server: subprocess.Popen[bytes] = subprocess.Popen(
        command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **somebody
    )
    try:
        _wait(port, server)
        yield {
            "AIDRUG_POSTGRES_HOST": "127.0.0.1",
            "AIDRUG_POSTGRES_PORT": str(port),
            "AIDRUG_POSTGRES_USER": "aidrug",
            "AIDRUG_POSTGRES_PASSWORD": PASSWORD,
            "PGSSLMODE": "disable",
        }
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients that keep a connection
        server.wait(30)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    address = sqlalchemy.URL.create("postgresql+psycopg2", "aidrug", PASSWORD, "127.0.0.1", port, "dagster")
    engine = sqlalchemy.create_engine(address)
    deadline = time.monotonic() + 60
    while True:
        try:
            engine.connect().close()
            break
        except sqlalchemy.exc.OperationalError:
            assert server.poll() is None, "Postgres ended by itself"
            assert time.monotonic() < deadline, "Postgres does not answer"
            time.sleep(0.1)
    engine.dispose()
