"""How long signatures and the plan take.

Prints the time to compute the records and signatures of 100 models on 22 endpoints, against hashing the same files as
plain text for every one of them (what a signature would cost without remembering what was read), and the whole
process `aidrug plan` on this checkout against `python -c "import dagster"`.
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.settings import Settings
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signed_code import signed_files

ROOT = Path(__file__).parents[2]
MODELS, ENDPOINTS, RUNS = 100, 22, 5


def large_project(folder: Path) -> Settings:
    """Write a project with many copies of this checkout's models and one endpoint's file."""
    shutil.copytree(ROOT / "model_zoo", folder / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    source = (ROOT / "configs/endpoints/hydration_free_energy.yaml").read_text()
    for number in range(ENDPOINTS):
        path = folder / f"configs/endpoints/endpoint_{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.replace("name: hydration_free_energy", f"name: endpoint_{number}"))
    (folder / "configs/models").mkdir()
    return Settings(
        root=folder, code_root=folder, configs=folder / "configs", home=folder / "home", store="", tracking_uri="",
        artifacts="",
    )  # fmt: skip


def main() -> None:
    """Print the figures."""
    from model_zoo import models
    from model_zoo.models import rf

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = large_project(folder)
        recipe = (folder / "model_zoo/models/rf.py").read_text()
        names = [f"rf_{number}" for number in range(MODELS)]
        for model in names:
            (folder / f"model_zoo/models/{model}.py").write_text(recipe + f"\nNAME = {model!r}\n")
            (folder / f"configs/models/{model}.yaml").write_text(
                f"name: {model}\ndescription: A copy.\nfeatures: [morgan_count, descriptors]\n"
            )
            sys.modules[f"model_zoo.models.{model}"] = rf  # validates the configuration of its copies
        models.names = lambda: names  # the copies lie in another folder than the installed package
        ours = median(lambda: [node.signature for node in load_catalog(settings).nodes.values()])
        paths = [folder / path for path in signed_files(Makers(("dataset", "training")), folder)]

        def naive() -> None:
            for _ in range(MODELS * ENDPOINTS):
                hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()

        baseline = median(naive)
    print(f"signatures of {MODELS} models x {ENDPOINTS} endpoints, configuration included: {ours:.2f} s")
    print(f"reading and hashing the same source files for each of them:          {baseline:.2f} s")
    print(f"ratio: {ours / baseline:.2f}")
    plan = median(
        lambda: subprocess.run(
            [sys.executable, "-m", "ai_drug_assets", "plan"], capture_output=True, cwd=ROOT, check=False
        )
    )
    dagster = median(lambda: subprocess.run([sys.executable, "-c", "import dagster"], check=True))
    print(f"aidrug plan: {plan:.2f} s; import dagster alone: {dagster:.2f} s; ratio: {plan / dagster:.2f}")


def median(work: object) -> float:
    """Return the median seconds of several runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
