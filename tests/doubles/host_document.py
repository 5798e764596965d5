"""The SSM document as Terraform makes it, without Terraform.

Belongs here: the same content that `infra/terraform/modules/delivery/main.tf` puts together, for tests that take
seconds. `tests/infra/test_stack.py` holds the two against each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

HOST_SCRIPT = Path(__file__).parents[2] / "infra" / "host" / "host.sh"
SETTINGS = {
    "AWS_REGION": "eu-north-1",
    "IMAGE_REPO": "images.example.com/team/project",
    "REGISTRY_USER": "aidrug",
    "REGISTRY_TOKEN_PARAMETER": "/ghcr/ro-token",
    "ADMIN_TOKEN_PARAMETER": "/aidrug/admin-token",
    "ARTIFACTS_BUCKET": "aidrug-artifacts-123456789012",
    "DATA_BUCKET": "aidrug-data-123456789012",
    "BUNDLES_BUCKET": "aidrug-bundles-123456789012",
    "LOGS_BUCKET": "aidrug-logs-123456789012",
    "BACKUPS_BUCKET": "aidrug-backups-123456789012",
    "DOMAIN_NAME": "",
    "ADDRESS": "203.0.113.10",
    "CERTIFICATES": "internal",
    "CADDY_IMAGE": "caddy:2.11-alpine",
    "AIDRUG_TIMEOUT_MINUTES": "240",
    "SERVICE_WORKERS": "1",
    "SERVICE_MEMORY": "1500m",
    "RATE_PER_MINUTE": "600",
    "UI_BIND": "127.0.0.1",
    "MLFLOW_HOST": "10.20.0.10",
    "MLFLOW_HOSTS": "",
}

ACTIONS = ["deploy", "mlflow", "train", "await", "abandon", "plan", "status", "rollback", "restore", "certificate"]
CALL = "export ACTION='{{ Action }}' IMAGE_TAG='{{ ImageTag }}' TIMEOUT_SECONDS='{{ executionTimeout }}'"


def host_document(settings: dict[str, str] = SETTINGS, timeout_minutes: int = 240) -> dict[str, Any]:
    """Return the document's content."""
    return {
        "schemaVersion": "2.2",
        "description": "Deploy, train, look at or roll back aidrug. Made from infra/host/host.sh.",
        "parameters": {
            "Action": {
                "type": "String",
                "description": "What to do.",
                "allowedValues": ACTIONS,
            },
            "ImageTag": {
                "type": "String",
                "description": "Git SHA of the images, for deploy and train.",
                "default": "none",
                "allowedPattern": "^([0-9a-f]{40}|none)$",
            },
            "executionTimeout": {
                "type": "String",
                "description": "Seconds after which the command is ended.",
                "default": str(timeout_minutes * 60),
                "allowedPattern": "^[1-9][0-9]{0,5}$",
            },
        },
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "host",
                "inputs": {
                    "timeoutSeconds": "{{ executionTimeout }}",
                    "runCommand": [
                        "#!/bin/sh",
                        *(f"export {name}='{value}'" for name, value in sorted(settings.items())),
                        CALL,
                        *HOST_SCRIPT.read_text(encoding="utf-8").removesuffix("\n").split("\n"),
                    ],
                },
            }
        ],
    }
