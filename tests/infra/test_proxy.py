"""The reverse proxy of infra/compose.yaml, as Compose hands it to a real Caddy: any request reaches us, by any name."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.infra.terraform_stack import opt_in
from tests.server_process import ROOT, free_port

CADDY, COMPOSE = (Path(sys.executable).parent / name for name in ("caddy", "docker-compose"))
pytestmark = [
    opt_in,
    pytest.mark.skipif(
        not CADDY.exists() or not COMPOSE.exists(), reason="no Caddy or no Compose: `make test-infra` installs both"
    ),
]
OURS = b"the service answers"
ADDRESS = "127.0.0.1"  # what Terraform's output `address` is without a domain: a number


class Service(BaseHTTPRequestHandler):
    """A service whose answers can be recognised."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(OURS)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Proxy:
    """A running Caddy."""

    http: int
    https: int
    inside: int
    state: Path

    @property
    def authority(self) -> str:
        """The certificate of its own authority, as `aidrug host certificate` prints it."""
        return str(self.state / "caddy" / "pki" / "authorities" / "local" / "root.crt")

    def get(self, host: str, sni: str | None = None, path: str = "/health/live") -> tuple[int, bytes]:
        """Ask by a name; a client that asks by a number sends no SNI."""
        context = ssl.create_default_context(cafile=self.authority)
        context.check_hostname = sni is None  # nobody has a certificate for a name that was never given
        with (
            socket.create_connection(("127.0.0.1", self.https), 20) as plain,
            # Of a number Python, like curl, sends no SNI, and looks for it in the certificate.
            context.wrap_socket(plain, server_hostname=sni or host) as wire,
        ):
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            wire.sendall(request.encode())
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            return answer.status, answer.read()


def expire(state: Path) -> int:
    """Put certificates that ended yesterday where Caddy keeps those of its own authority; give how many."""
    authority = state / "caddy" / "pki" / "authorities" / "local"
    key = serialization.load_pem_private_key((authority / "intermediate.key").read_bytes(), None)
    issuer = x509.load_pem_x509_certificate((authority / "intermediate.crt").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kept = list((state / "caddy" / "certificates" / "local").rglob("*.crt"))
    for path in kept:
        old, *chain = x509.load_pem_x509_certificates(path.read_bytes())
        name = old.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        made = x509.CertificateBuilder(issuer.subject, old.subject, old.public_key(), old.serial_number)
        yesterday = datetime.now(UTC) - timedelta(days=1)
        made = made.not_valid_before(yesterday - timedelta(hours=12)).not_valid_after(yesterday)
        ended = made.add_extension(name.value, critical=False).sign(key, hashes.SHA256())
        pem = (one.public_bytes(serialization.Encoding.PEM) for one in (ended, *chain))
        path.write_bytes(b"".join(pem))
    return len(kept)


@contextmanager
def proxy(folder: Path, **settings: str) -> Iterator[Proxy]:
    """Run Caddy with the configuration that Compose would give it, on ports that anybody may open."""
    needed = (
        "IMAGE_REPO",
        "IMAGE_TAG",
        "AWS_REGION",
        "ARTIFACTS_BUCKET",
        "BUNDLES_BUCKET",
        "BACKUPS_BUCKET",
        "LOGS_BUCKET",
    )
    done = subprocess.run(
        [COMPOSE, "--file", ROOT / "infra" / "compose.yaml", "config", "--format", "json"],
        env={**dict.fromkeys(needed, "x"), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    text = json.loads(done.stdout)["configs"]["caddyfile"]["content"].replace("$$", "$")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = Proxy(free_port(), free_port(), free_port(), folder / "state")
    text = text.replace("http://:8001", f"http://:{made.inside}")
    ports = f"{{\n  http_port {made.http}\n  https_port {made.https}\n"
    text = re.sub(r"tls (\S+@\S+)", r"tls \1 {\n ca https://127.0.0.1:1/nowhere\n}", text)  # nobody is asked to sign
    text = text.replace("{\n", ports, 1).replace("service:8000", f"127.0.0.1:{server.server_port}")
    (folder / "Caddyfile").write_text(text)
    process = subprocess.Popen(
        [CADDY, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"],
        env={"XDG_DATA_HOME": str(made.state), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
        stderr=(folder / "log").open("w"),
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                made.get(ADDRESS)
                break
            except (OSError, FileNotFoundError):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(10)
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "settings",
    [
        {"ADDRESS": ADDRESS},
        {},
        {"ADDRESS": ADDRESS, "DOMAIN_NAME": "aidrug.example.com", "CERTIFICATES": "internal"},
        {"ADDRESS": ADDRESS, "DOMAIN_NAME": "aidrug.example.com", "CERTIFICATES": "operator@example.com"},
    ],
    ids=["number", "laptop", "narrow", "public"],
)
def test_whoever_asks_is_answered_by_the_service(tmp_path: Path, settings: dict[str, str]) -> None:
    """By the address in Terraform's outputs, by a name nobody gave, by none: a 200 is ours, or there is none."""
    with proxy(tmp_path, **settings) as running:
        assert running.get(ADDRESS) == (200, OURS)
        for host, sni in (("unknown.example.net", "unknown.example.net"), ("other.example.net", "localhost")):
            assert running.get(host, sni) == (200, OURS), (host, sni)
        for host in (ADDRESS, "unknown.example.net"):
            with socket.create_connection(("127.0.0.1", running.http), 20) as wire:
                wire.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = http.client.HTTPResponse(wire)
                answer.begin()
            assert answer.status == 308, host
            assert re.match("https://", answer.headers["Location"])
        with urlopen(f"http://127.0.0.1:{running.inside}/health/ready", timeout=20) as of_the_pipeline:
            assert of_the_pipeline.read() == OURS
        status, _ = running.get(ADDRESS, path="/metrics")
        assert status == 404


@pytest.mark.game_day(fault="the proxy's certificate has expired", message="(nothing: the proxy makes another)")
def test_a_certificate_that_has_expired_is_made_anew(tmp_path: Path) -> None:
    """A host that was off for a week comes back with certificates that ended: nobody is shown one of them."""
    with proxy(tmp_path, ADDRESS=ADDRESS) as running:
        assert running.get(ADDRESS) == (200, OURS)
    assert expire(tmp_path / "state")

    with proxy(tmp_path, ADDRESS=ADDRESS) as running:
        assert running.get(ADDRESS) == (200, OURS)  # the client looks at the dates
