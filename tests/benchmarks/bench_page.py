"""What the page weighs and costs: bytes of the first load, and CPU of an answer in HTML against the same in JSON.

Writes `tests/benchmarks/results/page.json`. Ratios hold on any machine; milliseconds are this one's.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from tests.browser.page_store import fill
from tests.real_molecules import drugs

ROUNDS = 5
RESULT = Path(__file__).parent / "results" / "page.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder) / "store")
        fill(store, Path(folder))
        with TestClient(create_app(Settings(poll_seconds=0.05), store), base_url="http://127.0.0.1") as client:
            content: dict[str, Any] = {"first_load_bytes": weigh(client)}
            smiles = [each for each in drugs() if len(each) < 200][:256]
            content["answers"] = [compare(client, smiles[:count]) for count in (1, 10, 256)]
    RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def weigh(client: TestClient[Any]) -> dict[str, int]:
    """Return and print what the first load brings, each file as it goes over the wire."""
    page = client.get("/").raise_for_status()
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    sizes = {}
    for name, content in [("/", page.content), *((name, client.get(name).content) for name in dict.fromkeys(names))]:
        sizes[name.split("?")[0]] = len(gzip.compress(content, 5))
        print(f"{name.split('?')[0]:<28} {len(content):>8,} bytes, {sizes[name.split('?')[0]]:>7,} on the wire")
    print(f"{'first load':<28} {'':>8}        {sum(sizes.values()):>7,} on the wire")
    return sizes


def compare(client: TestClient[Any], smiles: list[str]) -> dict[str, float]:
    """Return and print the CPU of an answer whose predictions are remembered: as the page gives it, and as JSON."""
    asked = {"smiles": smiles}
    form = {"smiles": "\n".join(smiles)}
    json_ms = cpu_ms(lambda: client.post("/v1/predict", json=asked))
    first = cpu_ms(lambda: client.post("/", data=form, headers={"x-fragment": "results"}), rounds=1)
    again = cpu_ms(lambda: client.post("/", data=form, headers={"x-fragment": "results"}))
    wire = len(gzip.compress(client.post("/", data=form, headers={"x-fragment": "results"}).content, 5))
    print(
        f"{len(smiles):>4} molecules: JSON {json_ms:.1f} ms, page {again:.1f} ms ({again / json_ms:.1f} times), with "
        f"structures not drawn before {first:.1f} ms, {wire:,} bytes on the wire"
    )
    return {
        "molecules": len(smiles),
        "json_ms": round(json_ms, 2),
        "page_ms": round(again, 2),
        "page_new_ms": round(first, 2),
        "bytes": wire,
    }


def cpu_ms(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the CPU of one call, in milliseconds; the first call is not counted where there are several."""
    if rounds > 1:
        work()
    begun = time.process_time()
    for _ in range(rounds):
        work()
    return 1000 * (time.process_time() - begun) / rounds


if __name__ == "__main__":
    main()
