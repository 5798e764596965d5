"""Terraform on the stand-in for AWS: a copy of `infra/`, its state in the stand-in's S3, and what remains afterwards.

Belongs here: running Terraform and looking at what it made. Does not belong here: what should hold (see the tests).

AIDRUG_TERRAFORM_MIRROR names a folder with the AWS provider (`terraform providers mirror FOLDER`) for machines that do
not reach the registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.aws_server import ACCOUNT, REGION, StandIn

ROOT = Path(__file__).parents[2]
BUCKET = "aidrug-state-test"
opt_in = pytest.mark.skipif(
    not os.environ.get("AIDRUG_TEST_INFRA"), reason="takes minutes and Terraform: `make test-infra` runs it"
)
VARIABLES = {
    "region": REGION,
    "github_repository": "example-org@123456/example-repository@456789",
    "image_repository": "images.example.com/team/project",
    "alert_email": "operator@example.com",
    "service_allowlist": ["203.0.113.0/24"],
    "keep_data_on_destroy": False,
    "aws_stand_in": True,
}


def terraform_environment(folder: Path) -> dict[str, str]:
    """Return the environment of Terraform, with a provider mirror where one is named."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "AWS_MAX_ATTEMPTS": "2",
    }
    if mirror := os.environ.get("AIDRUG_TERRAFORM_MIRROR"):
        config = folder / "terraform.rc"
        config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
        environment["TF_CLI_CONFIG_FILE"] = str(config)
    return environment


@dataclass(frozen=True)
class Stack:
    """A copy of `infra/` and the account it is applied to."""

    aws: StandIn
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What Terraform needs to find provider and stand-in."""
        return {**terraform_environment(self.folder), **self.aws.environment}

    def start(self, *arguments: str, module: str = "") -> subprocess.Popen[str]:
        """Start Terraform in the root module, or in another one."""
        command = ["terraform", f"-chdir={self.folder / 'infra' / 'terraform' / module}", *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str, module: str = "", codes: tuple[int, ...] = (0,)) -> str:
        """Run Terraform and return what it printed."""
        process = self.start(*arguments, module=module)
        output, _ = process.communicate(timeout=600)
        assert process.returncode in codes, output
        return output

    def prepare(self) -> None:
        """Make the bucket of the state with the module for it, then initialise the root module on it."""
        self.run("init", "-no-color", module="state")
        values = [f"-var=bucket={BUCKET}", f"-var=region={REGION}", "-var=aws_stand_in=true"]
        self.run("apply", "-no-color", "-auto-approve", *values, module="state")
        printed = self.run("output", "-raw", "backend", module="state")
        stand_in = "\nuse_path_style = true\nskip_credentials_validation = true\nskip_requesting_account_id = true\n"
        (self.folder / "infra" / "terraform" / "backend.hcl").write_text(printed + stand_in)
        self.run("init", "-no-color", "-backend-config=backend.hcl")

    def write_variables(self, **changes: Any) -> None:
        """Write terraform.tfvars.json."""
        path = self.folder / "infra" / "terraform" / "terraform.tfvars.json"
        path.write_text(json.dumps({**VARIABLES, **changes}))

    def apply(self, *arguments: str) -> str:
        """Apply what the variables say."""
        return self.run("apply", "-no-color", "-auto-approve", "-input=false", *arguments)

    def changes(self) -> int:
        """Return 0 when a plan finds nothing to change, 2 when it does."""
        process = self.start("plan", "-no-color", "-detailed-exitcode", "-input=false")
        output, _ = process.communicate(timeout=600)
        assert process.returncode in (0, 2), output
        if process.returncode:
            print(output)
        return process.returncode

    def outputs(self) -> dict[str, Any]:
        """Return the outputs, and each setting of the driver by its own name."""
        found = {name: one["value"] for name, one in json.loads(self.run("output", "-json")).items()}
        return found | dict(line.split("=", 1) for line in found["settings"].splitlines())

    def state(self) -> str:
        """Return the state as it is in the bucket."""
        stored = self.aws.client("s3").get_object(Bucket=BUCKET, Key="aidrug/terraform.tfstate")
        text: str = stored["Body"].read().decode()
        return text

    def policy(self, role: str) -> list[dict[str, Any]]:
        """Return the policies of a role."""
        iam = self.aws.client("iam")
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]

    def left_over(self) -> dict[str, list[str]]:
        """List what is in the account besides the state's bucket and what every account has."""
        of = self.aws.client
        ec2, iam, cloudwatch = of("ec2"), of("iam"), of("cloudwatch")
        own = [{"Name": "owner-id", "Values": [ACCOUNT]}]
        instances = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
        found = {
            "instances": [one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"],
            "volumes": [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]],
            "snapshots": [
                one["SnapshotId"]
                for one in ec2.describe_snapshots(Filters=own)["Snapshots"]
                if not one["Description"].startswith("Auto-created snapshot for AMI")
            ],
            "addresses": [one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]],
            "networks": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
            "security groups": [
                one["GroupId"]
                for one in ec2.describe_security_groups()["SecurityGroups"]
                if one["GroupName"] != "default"
            ],
            "buckets": [one["Name"] for one in of("s3").list_buckets()["Buckets"] if one["Name"] != BUCKET],
            "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]],
            "policies": [one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]],
            "profiles": [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]],
            "identity providers": [
                one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
            ],
            "parameters": [
                one["Name"]
                for one in of("ssm").describe_parameters()["Parameters"]
                if not one["Name"].startswith("/aws/")
            ],
            "documents": [
                one["Name"]
                for one in of("ssm").list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])[
                    "DocumentIdentifiers"
                ]
            ],
            "log groups": [one["logGroupName"] for one in of("logs").describe_log_groups()["logGroups"]],
            "alarms": [one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"]],
            "dashboards": [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]],
            "topics": [one["TopicArn"] for one in of("sns").list_topics()["Topics"]],
            "budgets": [one["BudgetName"] for one in of("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]],
            "lifecycle policies": list(self.aws.lifecycle_manager.policies),
        }
        return {kind: names for kind, names in found.items() if names}


def copy_of_infra(folder: Path) -> Path:
    """Copy `infra/` without what Terraform keeps beside it."""
    left_out = shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars", "backend.hcl")
    return Path(shutil.copytree(ROOT / "infra", folder / "infra", ignore=left_out))
