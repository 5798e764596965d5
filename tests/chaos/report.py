"""Write what `make test-chaos` measured into `docs/automation.md`: `python -m tests.chaos.report`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.record import as_markdown

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "benchmarks" / "results" / "chaos.json"
DOCUMENT = ROOT / "docs" / "automation.md"
BEGIN, END = "<!-- python -m tests.chaos.report -->\n", "<!-- end of what it writes -->\n"


def report(document: str, results: bytes) -> str:
    """Return the document with the tables of these results in it."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{as_markdown(json.loads(results))}\n\n{END}{after}"


def main() -> None:
    """Write it."""
    text = report(DOCUMENT.read_text(encoding="utf-8"), RESULTS.read_bytes())
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
