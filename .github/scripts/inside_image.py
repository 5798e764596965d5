"""Run inside an image by `images.sh check`: what it must load loads, and what it must not hold is not there."""

import importlib
import importlib.util
import json
import pkgutil
import sys
from pathlib import Path

ABSENT = {
    "serving": ("ai_drug_assets", "dagster", "dvc", "mlflow", "pandas", "pip", "sklearn", "torch", "uv"),
    "pipeline": ("litestar", "moto", "pip", "pytest", "uv"),
}
PRESENT = {
    "serving": ("serving",),
    "pipeline": ("ai_drug_assets", "model_zoo", "dagster_webserver", "dvc_s3", "mlflow", "torch", "xgboost"),
}

image = sys.argv[1]
found = [name for name in ABSENT[image] if importlib.util.find_spec(name)]
if found:
    sys.exit(f"{image}: must not hold {', '.join(found)}")
for name in PRESENT[image]:
    package = importlib.import_module(name)
    if name in ("serving", "ai_drug_assets", "model_zoo"):
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
bill = json.loads(Path("/app/sbom.cdx.json").read_text(encoding="utf-8"))
print(f"{image}: everything loads; {len(bill['components'])} packages on its bill of materials")
