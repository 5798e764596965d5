"""What `admet-ai` costs, measured inside its own environment.

Belongs here: its Python API and its web application, timed. Run by `bench_admet_ai.py` with the peer's interpreter:
only the standard library and the peer may be imported.
Does not belong here: our service, ratios.

`admet_ai_peer.py api MOLECULES.json RESULT.json` or `admet_ai_peer.py web PORT`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path


def api(molecules: Path, result: Path) -> None:
    """Time start, molecules one by one, and many in one call."""
    began = time.perf_counter()
    model = import_module("admet_ai").ADMETModel()
    asked = json.loads(molecules.read_text())
    ready_cpu = time.process_time()
    ready = time.perf_counter() - began
    model.predict(smiles=asked["warm"])
    singles, latencies = [], []
    for smiles in asked["singles"]:
        cpu, wall = time.process_time(), time.perf_counter()
        model.predict(smiles=smiles)
        singles.append(1000 * (time.process_time() - cpu))
        latencies.append(1000 * (time.perf_counter() - wall))
    cpu = time.process_time()
    table = model.predict(smiles=asked["batch"])
    batch = time.process_time() - cpu
    figures = {
        "ready_cpu_s": ready_cpu,
        "ready_s": ready,
        "single_cpu_ms": singles,
        "single_ms": latencies,
        "batch_cpu_s": batch,
        "batch_rows": len(table),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    result.write_text(json.dumps(figures))


def web(port: int) -> None:
    """Serve its page as `admet_web` does, on a port of our choice."""
    import_module("admet_ai.web.run").setup_web()
    import_module("admet_ai.web.app").app.run(host="127.0.0.1", port=port)


if __name__ == "__main__":
    if sys.argv[1] == "api":
        api(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        web(int(sys.argv[2]))
