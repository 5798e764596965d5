"""A stand-in for `docker` in the hands of an operator on the host: containers are processes of this machine.

`docker compose run --rm SERVICE [ARGUMENTS]` runs `aidrug` with the service's own command of infra/compose.yaml, or
with the arguments; everything else that the runbooks say is noted in $NOTES. What runs has the environment of its
caller, in which the folders of the host and its places in S3 are named.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

COMPOSE = Path(__file__).parents[2] / "infra" / "compose.yaml"


def main(words: list[str]) -> None:
    """Do what the operator asks."""
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(f"docker {' '.join(words)}\n")
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    if words[:3] == ["compose", "run", "--rm"]:
        service, *arguments = words[3:]
        command = arguments or services[service]["command"]
        sys.exit(subprocess.run([sys.executable, "-m", "ai_drug_assets", *command], check=False).returncode)
    if words[0] != "compose" or words[1] not in ("stop", "up"):
        sys.exit(f"docker: the runbooks do not say {words}")
    named = {word for word in words[2:] if not word.startswith("-")}
    if missing := named - services.keys():
        sys.exit(f"docker: no service {missing}")


if __name__ == "__main__":
    main(sys.argv[1:])
