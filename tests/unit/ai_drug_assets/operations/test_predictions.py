"""What the command line says of predictions."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ai_drug_assets.operations.predictions import as_text, predict_file, predict_smiles, require_smiles
from ai_drug_assets.operations.suggestions import suggest_batch
from model_zoo.errors import AidrugError
from serving.client.answers import EndpointPrediction, Prediction


@pytest.mark.parametrize(
    ("reliability", "usual", "expected"),
    [
        ("high", 0.4, "about 90 % interval -2.00 to 0.00  high"),
        ("low", None, "perhaps -2.00 to 0.00  low"),
        (None, None, "90 %"),
    ],
)
def test_an_interval_promises_no_share_where_no_error_is_known(
    reliability: str | None, usual: float | None, expected: str
) -> None:
    """Beyond what was measured nobody knows how often an interval holds; earlier services say nothing of it."""
    one = EndpointPrediction(
        -1.0,
        "log10 mol/L",
        (-2.0, 0.0),
        0.5,
        "inside",
        "CCO",
        "gp-1",
        "gp",
        "",
        reliability=reliability,
        usual_error=usual,
    )

    assert expected in as_text([Prediction(0, "CCO", {"solubility_logs": one})])


def test_a_small_number_beside_a_large_one_is_not_zero() -> None:
    """Two decimals would make 0.0004 nM of an interval up to 0.2 nM nothing at all."""
    one = EndpointPrediction(0.0004, "nM", (0.00001, 0.2), 0.5, "inside", "CCO", "gp-1", "gp", "")
    text = as_text([Prediction(0, "CCO", {"ic50": one})])
    assert "0.0004 nM" in text
    assert "1e-05 to 0.2" in text


def test_a_result_does_not_replace_the_file_that_it_is_made_of(tmp_path: Path) -> None:
    """Said before anything is predicted, whatever the file is called."""
    (tmp_path / "a.csv").write_text("smiles\nCCO\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    with pytest.raises(AidrugError, match="expected another file than"):
        predict_file("http://127.0.0.1:9", tmp_path / "a.csv", tmp_path / "b.csv")


def test_a_folder_or_a_pipe_is_no_molecule(tmp_path: Path) -> None:
    """Both were sent to the service as SMILES, and the command ended with success."""
    (tmp_path / "hits.csv").mkdir()
    with pytest.raises(AidrugError, match="which is a folder"):
        require_smiles([str(tmp_path / "hits.csv")])
    with pytest.raises(AidrugError, match="write what comes from a pipe to a file"):
        require_smiles(["-"])


def test_a_sheet_of_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    """It would be read as if nothing had been said, and what was meant is not known."""
    file = tmp_path / "a.csv"
    file.write_text("smiles\nCCO\n", encoding="utf-8")
    with pytest.raises(AidrugError, match="expected an Excel workbook"):
        predict_file("http://127.0.0.1:9", file, None, sheet="hits")
    with pytest.raises(AidrugError, match="expected an Excel workbook"):
        suggest_batch("http://127.0.0.1:9", file, size=2, sheet="hits")


class _Another(BaseHTTPRequestHandler):
    """Another program on the port of the service; the path says how it answers."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.split("/")[1])
        self.send_response(status)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def another() -> Iterator[str]:
    """Return where another program answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Another) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
def test_where_another_program_answers_the_address_is_named(another: str, status: int) -> None:
    """With the settings that change it: the answer of a stranger explains nothing."""
    with pytest.raises(AidrugError, match=f"Another program may answer at {another}.*AIDRUG_SERVICE_URL"):
        predict_smiles(f"{another}/{status}", ["CCO"])


def test_a_key_that_no_header_can_contain_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that sends it would show it in a traceback; the end of line of its file does not count."""
    for key in ("secret\r\nkey", "secret€"):
        monkeypatch.setenv("AIDRUG_API_KEY", key)
        with pytest.raises(AidrugError, match="AIDRUG_API_KEY") as fault:
            predict_smiles("http://127.0.0.1:9", ["CCO"])
        assert "secret" not in str(fault.value)
    monkeypatch.setenv("AIDRUG_API_KEY", "secret\r\n")
    monkeypatch.setattr("serving.client.transport.time.sleep", lambda _: None)
    with pytest.raises(AidrugError, match="no service answers"):
        predict_smiles("http://127.0.0.1:9", ["CCO"])


def test_a_file_that_cannot_be_read_is_no_silent_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is sent to start the service for it."""
    file = tmp_path / "a.csv"
    file.write_text("smiles\nCCO\n", encoding="utf-8")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(PermissionError):
        predict_file("http://127.0.0.1:9", file, None)
