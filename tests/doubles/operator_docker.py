"""A stand-in for `docker` in the hands of an operator on the host: containers are processes of this machine.

`docker compose run --rm SERVICE [ARGUMENTS]` runs `aidrug` with the service's own command of infra/compose.yaml, or
with the arguments; everything else that the runbooks say is noted in $NOTES. What runs has the environment of its
caller, in which the folders of the host and its places in S3 are named. As Compose does, it first starts what the
service depends on, and MLflow does not become healthy on a damaged database. As Docker does, it writes a registry's
token to its configuration, and knows images only after a login. The image is this checkout.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "infra" / "compose.yaml"


def main(words: list[str]) -> None:
    """Do what the operator asks."""
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(f"docker {' '.join(words)}\n")
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    if words[:3] == ["compose", "run", "--rm"]:
        service, *arguments = words[3:]
        if "mlflow" in services[service]["depends_on"] and not _is_sound(Path(os.environ["AIDRUG_MLFLOW_DATABASE"])):
            sys.exit("dependency failed to start: container aidrug-mlflow-1 is unhealthy")
        command = arguments or services[service]["command"]
        sys.exit(subprocess.run([sys.executable, "-m", "ai_drug_assets", *command], check=False).returncode)
    configuration = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "config.json"
    if words[0] == "login":
        configuration.write_text(sys.stdin.read(), encoding="utf-8")
        return
    if words[0] == "create" or words == ["compose", "pull"]:
        if not configuration.exists():
            sys.exit("docker: Head https://...: denied")
        return
    if words[0] == "cp":
        shutil.copy(ROOT / words[1].partition(":/app/")[2], words[2])
        return
    if words[0] == "rm":
        return
    if words[0] != "compose" or words[1] not in ("stop", "up"):
        sys.exit(f"docker: the runbooks do not say {words}")
    named = {word for word in words[2:] if not word.startswith("-")}
    if missing := named - services.keys():
        sys.exit(f"docker: no service {missing}")


def _is_sound(database: Path) -> bool:
    if not database.exists():
        return True
    with closing(sqlite3.connect(database)) as connection:
        try:
            return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
        except sqlite3.DatabaseError:
            return False


if __name__ == "__main__":
    main(sys.argv[1:])
