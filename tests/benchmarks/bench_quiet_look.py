"""What a look of the automation costs when nothing happens, by the number of endpoints.

Prints the processor time of loading the catalog, of the first look, which reads everything, and of looks at nothing,
for this checkout's configuration and for generated endpoints, on each of which all models compete.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.test_utils import instance_for_test
from sqlalchemy import Engine, event

from ai_drug_assets import keys
from ai_drug_assets.automation import automation_sensor
from ai_drug_assets.planning.catalog import Catalog, load_catalog
from ai_drug_assets.planning.ledger import Entry, Made, now
from ai_drug_assets.planning.remains import place_of
from ai_drug_assets.settings import Settings

ROOT = Path(__file__).parents[2]
ENDPOINTS = (0, 123, 300)
LOOKS = 5
FILES = ("scores.json", "predictions.npz", "model/model.json", "model/weights.bin")


@event.listens_for(Engine, "connect")
def _without_waiting_for_the_disk(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def project(folder: Path, endpoints: int) -> Settings:
    """Write this checkout's configuration, or that of so many endpoints on which all models compete."""
    configs = folder / "configs"
    shutil.copytree(ROOT / "configs", configs)
    if endpoints:
        content = yaml.safe_load((configs / "endpoints" / "solubility_logs.yaml").read_text())
        for path in (configs / "endpoints").glob("*.yaml"):
            path.unlink()
        for path in (configs / "models").glob("*.yaml"):
            model = yaml.safe_load(path.read_text())
            if model.get("auxiliary"):
                path.unlink()
                continue
            model.pop("overrides", None)
            if "members" in model:
                model["members"] = [name for name in model["members"] if name != "multitask"]
            path.write_text(yaml.safe_dump({**model, "endpoints": "all"}))
        for number in range(endpoints):
            name = f"endpoint_{number}"
            rows = "".join(f"{'C' * size}O,{size}\n" for size in range(1, 20))
            (folder / f"{name}.csv").write_text(f"smiles,value\n{rows}")
            source = {"kind": "csv", "files": [str(folder / f"{name}.csv")]}
            own = {**content, "name": name, "title": name, "source": source}
            (configs / "endpoints" / f"{name}.yaml").write_text(yaml.safe_dump(own))
    environment = {"AIDRUG_HOME": str(folder / "home"), "AIDRUG_CONFIGS": str(configs), "AIDRUG_SERVICE_PORT": "9"}
    return Settings.from_env({**environment, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})


def pretend_all_is_made(catalog: Catalog, instance: dg.DagsterInstance) -> None:
    """Write ledger, files and materialisations as if every asset had been made."""
    home = catalog.settings.home
    for key, node in catalog.nodes.items():
        place = place_of(home, node)
        (place / "model").mkdir(parents=True)
        for name in FILES:
            (place / name).write_text("x")
        version = keys.code_version(node)
        inputs = {dep: keys.code_version(catalog.nodes[dep]) for dep in node.deps}
        files = dict.fromkeys(FILES, 1)
        made = Made(
            signature=node.signature,
            record=node.record,
            data_version=version,
            inputs=inputs,
            run_id="",
            git_sha="",
            at=now(),
            files=files,
        )
        path = home / "ledger" / f"{key}.json"  # written plainly: the ledger waits for the disk each time
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Entry(made=made).model_dump_json())
        tags = {"dagster/code_version": version, "dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetMaterialization(keys.asset_key(key), tags=tags))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do something; return its result, and the processor time in seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def main() -> None:
    """Measure, and print."""
    print("| endpoints | assets | loading the catalog | first look | look at nothing new |")
    print("| --: | --: | --: | --: | --: |")
    for endpoints in ENDPOINTS:
        with tempfile.TemporaryDirectory() as folder, instance_for_test() as instance:
            settings = project(Path(folder), endpoints)
            catalog, loading = timed(lambda settings=settings: load_catalog(settings))  # type: ignore[misc]
            pretend_all_is_made(catalog, instance)
            sensor, cursor, looks = automation_sensor(catalog), None, []
            for _ in range(LOOKS + 1):
                with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                    result, taken = timed(lambda context=context, sensor=sensor: sensor(context))  # type: ignore[misc]
                assert not result.run_requests, result
                cursor = result.cursor
                looks.append(taken)
            number = len(catalog.configs.endpoints)
            print(
                f"| {number} | {len(catalog.nodes)} | {loading:.1f} s | {looks[0]:.2f} s "
                f"| {statistics.median(looks[1:]):.3f} s |",
                flush=True,
            )
            print(str(result.skip_reason), file=sys.stderr)


if __name__ == "__main__":
    main()
