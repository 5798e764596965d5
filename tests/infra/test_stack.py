"""The whole of `infra/terraform` applied, changed, delivered to and destroyed on the stand-in for AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from ai_drug_assets.aws import hosts
from ai_drug_assets.aws.cost import estimate
from ai_drug_assets.aws.deploy import deploy
from ai_drug_assets.aws.hosts import Target
from tests.doubles.aws_server import ACCOUNT, REGION, aws_stand_in
from tests.doubles.host_document import SETTINGS, host_document
from tests.doubles.policies import Policies
from tests.infra.conftest import FAST
from tests.infra.terraform_stack import BUCKET, Stack, copy_of_infra, opt_in

pytestmark = [opt_in, pytest.mark.timeout(1800)]
SECRET, SHA = "ghp_the_real_token", "c" * 40
ARN = f"arn:aws:%s:{REGION}:{ACCOUNT}:%s"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield an account to which everything was applied once, with a training host."""
    with aws_stand_in(tmp_path_factory.mktemp("hosts")) as aws:
        folder = tmp_path_factory.mktemp("stack")
        copy_of_infra(folder)
        made = Stack(aws, folder)
        made.prepare()
        made.write_variables(training_host={"instance_type": "m5.2xlarge", "shutdown": "after_training"})
        made.apply()
        yield made


def test_a_second_plan_changes_nothing(stack: Stack) -> None:
    """What was applied is what the files say."""
    assert stack.changes() == 0


def test_the_document_is_the_one_the_quick_tests_run(stack: Stack) -> None:
    """The document in SSM is made of the same script, parameters and settings."""
    outputs = stack.outputs()
    content = json.loads(stack.aws.client("ssm").get_document(Name=outputs["AIDRUG_DOCUMENT"])["Content"])
    serving = stack.aws.client("ec2").describe_instances(InstanceIds=[outputs["AIDRUG_INSTANCE_ID"]])
    address = serving["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
    settings = {
        **SETTINGS,
        "UI_BIND": "0.0.0.0",  # noqa: S104 - the security group decides
        "ADDRESS": outputs["address"],
        "MLFLOW_HOST": address,
        "MLFLOW_HOSTS": f"{address}:5000",
    }

    assert content == host_document(settings)


def test_a_secret_put_by_hand_never_reaches_the_state_and_is_never_overwritten(stack: Stack) -> None:
    """Neither the placeholder nor the value is in the state; later applies leave the value alone."""
    ssm = stack.aws.client("ssm")
    ssm.put_parameter(Name="/ghcr/ro-token", Value=SECRET, Type="SecureString", Overwrite=True)

    stack.write_variables(
        training_host={"instance_type": "m5.2xlarge", "shutdown": "never"}, log_retention_days=60, data_volume_gib=80
    )
    stack.apply()

    assert SECRET not in stack.state()
    assert '"unset"' not in stack.state()
    assert ssm.get_parameter(Name="/ghcr/ro-token", WithDecryption=True)["Parameter"]["Value"] == SECRET
    volume = stack.aws.data_disk()
    assert volume["Size"] == 80
    assert volume["Encrypted"]
    assert stack.changes() == 0


def test_two_applies_at_once_are_one(stack: Stack) -> None:
    """The second one is refused while the first holds the lock in the state's bucket."""
    stack.write_variables(
        training_host={"instance_type": "m5.2xlarge", "shutdown": "after_training"}, log_retention_days=90
    )
    first = stack.start("apply", "-no-color", "-auto-approve", "-input=false")
    _wait_for_lock(stack)

    refused = stack.run("apply", "-no-color", "-auto-approve", "-input=false", codes=(1,))

    assert "Error acquiring the state lock" in refused
    output, _ = first.communicate(timeout=600)
    assert first.returncode == 0, output


def _wait_for_lock(stack: Stack) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            stack.aws.client("s3").head_object(Bucket=BUCKET, Key="aidrug/terraform.tfstate.tflock")
        except ClientError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("no lock was taken")


def test_a_delivery_goes_through_what_terraform_made(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Driver, document, parameters and log groups fit together: the training host trains, the serving host swaps."""
    for name, value in stack.aws.environment.items():
        monkeypatch.setenv(name, value)
    hosts.clients.cache_clear()
    for name in ("/ghcr/ro-token", "/aidrug/admin-token"):
        stack.aws.client("ssm").put_parameter(Name=name, Value=SECRET, Type="SecureString", Overwrite=True)
    outputs = stack.outputs()
    target = Target(
        REGION, outputs["AIDRUG_INSTANCE_ID"], outputs["AIDRUG_DOCUMENT"], outputs["AIDRUG_TRAINING_INSTANCE_ID"]
    )
    lines: list[str] = []
    (stack.aws.agent.host(target.training_instance_id) / "double" / "mlflow_answers").touch()

    deploy(target, SHA, lines.append, pace=FAST)

    hosts.clients.cache_clear()
    double = stack.aws.agent.host(outputs["AIDRUG_INSTANCE_ID"]) / "double"
    assert (double / "running").read_text().strip() == SHA
    assert (double / "token").read_text() == SECRET
    trainer = stack.aws.client("ec2").describe_instances(InstanceIds=[outputs["AIDRUG_TRAINING_INSTANCE_ID"]])
    assert trainer["Reservations"][0]["Instances"][0]["State"]["Name"] == "stopped"


def test_the_host_may_do_its_work_and_nothing_else(stack: Stack) -> None:
    """Its own parameters and logs and its containers' roles; no bucket, no command, no instance, no other role."""
    may = Policies(*stack.policy("aidrug-host")).allows
    bucket = f"arn:aws:s3:::aidrug-bundles-{ACCOUNT}"

    assert may("ssm:UpdateInstanceInformation")
    assert may("ssmmessages:OpenDataChannel")
    assert may("ssm:GetParameter", ARN % ("ssm", "parameter/ghcr/ro-token"))
    assert may("ssm:GetParameter", ARN % ("ssm", "parameter/aidrug/admin-token"))
    assert may("ssm:GetParameter", ARN % ("ssm", "parameter/aidrug/serve/cloudwatch-agent"))
    assert may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-service")
    assert may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-pipeline")
    assert may("logs:PutLogEvents", ARN % ("logs", "log-group:/aidrug/host:log-stream:i-1"))
    assert may("cloudwatch:PutMetricData", cloudwatch__namespace="CWAgent")

    assert not may("ssm:GetParameter", ARN % ("ssm", "parameter/other/secret"))
    assert not may("ssm:PutParameter", ARN % ("ssm", "parameter/ghcr/ro-token"))
    assert not may("ssm:SendCommand", "*")
    assert not may("s3:GetObject", f"{bucket}/store/current.json")
    assert not may("logs:PutLogEvents", ARN % ("logs", "log-group:/other/app:log-stream:x"))
    assert not may("logs:DeleteLogGroup", ARN % ("logs", "log-group:/aidrug/host"))
    assert not may("cloudwatch:PutMetricData", cloudwatch__namespace="AWS/EC2")
    assert not may("ec2:TerminateInstances", ARN % ("ec2", "instance/i-1"))
    assert not may("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-host")
    assert not may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-deliver")
    assert not may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-train-pipeline")


def test_the_service_reads_the_bundles_and_the_pipeline_uses_the_buckets(stack: Stack) -> None:
    """The one that faces the internet writes one object, deletes none and holds no secret; neither does the other."""
    service, pipeline = (Policies(*stack.policy(f"aidrug-{who}")).allows for who in ("service", "pipeline"))
    bucket = f"arn:aws:s3:::aidrug-bundles-{ACCOUNT}"

    assert service("s3:GetObject", f"{bucket}/store/bundles/x/1/manifest.json")
    assert service("s3:ListBucket", bucket)  # else S3 calls what is absent forbidden
    assert service("s3:PutObject", f"{bucket}/store/current.json")  # a roll back over HTTP
    assert not service("s3:PutObject", f"{bucket}/store/bundles/x/1/manifest.json")
    assert not service("s3:GetObject", f"{bucket}/ledger/ledger.json")
    assert not service("s3:DeleteObject", f"{bucket}/store/current.json")
    for purpose in ("artifacts", "data", "logs", "backups"):
        of = f"arn:aws:s3:::aidrug-{purpose}-{ACCOUNT}"
        assert not service("s3:GetObject", f"{of}/x")
        assert not service("s3:ListBucket", of)
        assert pipeline("s3:GetObject", f"{of}/x")
        assert pipeline("s3:PutObject", f"{of}/x")
    assert pipeline("s3:PutObject", f"{bucket}/store/current.json")
    for may in (service, pipeline):
        for forbidden in ("s3:DeleteBucket", "s3:PutBucketPolicy"):
            assert not may(forbidden, bucket)
        assert not may("s3:DeleteObjectVersion", f"{bucket}/store/current.json")
        assert not may("s3:GetObject", "arn:aws:s3:::somebody-elses/file")
        assert not may("s3:GetObject", f"arn:aws:s3:::{BUCKET}/aidrug/terraform.tfstate")
        assert not may("ssm:GetParameter", ARN % ("ssm", "parameter/ghcr/ro-token"))
        assert not may("ssm:GetParameter", ARN % ("ssm", "parameter/aidrug/admin-token"))
        assert not may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-pipeline")
        assert not may("logs:PutLogEvents", ARN % ("logs", "log-group:/aidrug/host:log-stream:i-1"))


def test_only_the_host_takes_the_roles_of_its_containers(stack: Stack) -> None:
    """By its own role's ARN: no service, no account as a whole, not the other host."""
    iam = stack.aws.client("iam")
    for role, host in (("service", "host"), ("pipeline", "host"), ("train-pipeline", "train-host")):
        (trust,) = iam.get_role(RoleName=f"aidrug-{role}")["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/aidrug-{host}"}
        assert trust["Action"] == "sts:AssumeRole"
    assert "aidrug-train-service" not in [one["RoleName"] for one in iam.list_roles()["Roles"]]


def test_the_training_host_may_less(stack: Stack) -> None:
    """It publishes nothing and holds no secret but the registry's."""
    may = Policies(*stack.policy("aidrug-train-host")).allows
    trains = Policies(*stack.policy("aidrug-train-pipeline")).allows

    assert trains("s3:GetObject", f"arn:aws:s3:::aidrug-data-{ACCOUNT}/dvc/file")
    assert may("ssm:GetParameter", ARN % ("ssm", "parameter/ghcr/ro-token"))
    assert not trains("s3:PutObject", f"arn:aws:s3:::aidrug-bundles-{ACCOUNT}/store/current.json")
    assert not may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/aidrug-pipeline")
    assert not may("ssm:GetParameter", ARN % ("ssm", "parameter/aidrug/admin-token"))


def test_the_workflow_may_deliver_and_nothing_else(stack: Stack) -> None:
    """The one document on these instances; starting both, stopping only the one that does not serve."""
    outputs = stack.outputs()
    may = Policies(*stack.policy("aidrug-deliver")).allows
    serves, trains = (
        ARN % ("ec2", f"instance/{outputs[name]}") for name in ("AIDRUG_INSTANCE_ID", "AIDRUG_TRAINING_INSTANCE_ID")
    )

    assert may("ssm:SendCommand", ARN % ("ssm", "document/aidrug-host"))
    assert may("ssm:SendCommand", serves)
    assert may("ssm:SendCommand", trains)
    assert may("ssm:GetCommandInvocation")
    assert may("ec2:StartInstances", serves)
    assert may("ec2:StopInstances", trains)
    assert may("logs:GetLogEvents", ARN % ("logs", "log-group:/aidrug/commands:log-stream:x"))

    assert not may("ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript")
    assert not may("ssm:SendCommand", ARN % ("ssm", "document/another"))
    assert not may("ssm:SendCommand", ARN % ("ec2", "instance/i-0another0instance"))
    assert not may("ssm:StartSession", serves)
    assert not may("ssm:GetParameter", ARN % ("ssm", "parameter/ghcr/ro-token"))
    assert not may("ssm:UpdateDocument", ARN % ("ssm", "document/aidrug-host"))
    assert not may("ec2:StopInstances", serves)
    assert not may("ec2:TerminateInstances", trains)
    assert not may("s3:GetObject", f"arn:aws:s3:::aidrug-bundles-{ACCOUNT}/store/current.json")
    assert not may("iam:PassRole", "*")
    assert not may("logs:GetLogEvents", ARN % ("logs", "log-group:/aidrug/containers:log-stream:x"))


def test_an_operator_may_do_what_the_runbooks_need(stack: Stack) -> None:
    """Deliver, restart, look, replace a key, bring a version back, send measurements; and change no rights."""
    iam, arn = stack.aws.client("iam"), f"arn:aws:iam::{ACCOUNT}:policy/aidrug-operator"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    may = Policies(document).allows
    serves = ARN % ("ec2", f"instance/{stack.outputs()['AIDRUG_INSTANCE_ID']}")
    bundles, data, backups = (f"arn:aws:s3:::aidrug-{purpose}-{ACCOUNT}" for purpose in ("bundles", "data", "backups"))
    pointer = f"{bundles}/store/current.json"

    assert len(json.dumps(document, separators=(",", ":"))) < 6144  # what IAM takes
    assert may("ssm:SendCommand", ARN % ("ssm", "document/aidrug-host"))
    assert may("ec2:StartInstances", serves)
    assert may("ec2:StopInstances", serves)
    for what in (serves, ARN % ("ssm", "document/SSM-SessionManagerRunShell")):
        assert may("ssm:StartSession", what)
    assert may("ssm:StartSession", f"arn:aws:ssm:{REGION}::document/AWS-StartPortForwardingSession")
    assert "ssmmessages:OpenDataChannel" in json.dumps(document)  # of one's own session: the stand-in knows no names
    assert may("logs:FilterLogEvents", ARN % ("logs", "log-group:/aidrug/host:*"))
    for action in ("ssm:GetParameter", "ssm:PutParameter"):
        assert may(action, ARN % ("ssm", "parameter/aidrug/admin-token"))
        assert may(action, ARN % ("ssm", "parameter/ghcr/ro-token"))
        assert not may(action, ARN % ("ssm", "parameter/other/secret"))
    assert may("ec2:DescribeSnapshots")
    assert may("s3:GetObject", f"{bundles}/ledger/ledger.json")
    assert may("s3:ListBucketVersions", bundles)
    for action in ("s3:GetObjectVersion", "s3:GetObject", "s3:PutObject"):
        assert may(action, pointer)
    assert may("s3:PutObject", f"{data}/dvc/files/md5/00/1")
    assert may("s3:DeleteObject", f"{backups}/aidrug/snapshots/1.json")

    assert not may("s3:PutObject", f"{bundles}/ledger/ledger.json")
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
        assert not may(action, pointer)
        assert not may(action, f"{data}/dvc/files/md5/00/1")
    assert not may("ec2:TerminateInstances", serves)
    assert not may("ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript")
    assert not may("ssm:UpdateDocument", ARN % ("ssm", "document/aidrug-host"))
    assert not may("iam:PassRole", "*")


def test_continuous_integration_may_read_the_ledger_and_nothing_else(stack: Stack) -> None:
    """A pull request sees what production was made from, not its bundles, and starts nothing."""
    may = Policies(*stack.policy("aidrug-read")).allows
    bucket = f"arn:aws:s3:::aidrug-bundles-{ACCOUNT}"

    assert may("s3:GetObject", f"{bucket}/ledger/ledger.json")
    assert may("s3:ListBucket", bucket, s3__prefix="ledger/")
    assert not may("s3:ListBucket", bucket)
    assert not may("s3:GetObject", f"{bucket}/store/current.json")
    assert not may("s3:PutObject", f"{bucket}/ledger/ledger.json")
    assert not may("ssm:SendCommand", ARN % ("ssm", "document/aidrug-host"))


def trusted(role: str, stack: Stack) -> Callable[..., bool]:
    """Return what says whether a job of GitHub, by its subject, may assume a role."""
    document = stack.aws.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    github = "token.actions.githubusercontent.com"

    def trusts(subject: str, audience: str = "sts.amazonaws.com") -> bool:
        keys = {f"{github}:sub".replace(":", "__"): subject, f"{github}:aud".replace(":", "__"): audience}
        return Policies(document).allows("sts:AssumeRoleWithWebIdentity", **keys)

    return trusts


def test_only_this_branch_of_this_repository_may_assume_the_role(stack: Stack) -> None:
    """With its IDs or without; another branch, a pull request, a fork, a successor of its name may not."""
    role = stack.aws.client("iam").get_role(RoleName="aidrug-deliver")["Role"]
    provider = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Federated"]
    trusts = trusted("aidrug-deliver", stack)

    assert provider.endswith("oidc-provider/token.actions.githubusercontent.com")
    assert trusts("repo:example-org/example-repository:ref:refs/heads/main")
    assert trusts("repo:example-org@123456/example-repository@456789:ref:refs/heads/main")
    assert not trusts("repo:example-org@123456/example-repository@7:ref:refs/heads/main")
    assert not trusts("repo:example-org@7/example-repository@456789:ref:refs/heads/main")
    assert not trusts("repo:example-org@123456/example-repository@456789:environment:production")
    assert not trusts("repo:example-org/example-repository:ref:refs/heads/mainline")
    assert not trusts("repo:example-org/example-repository:pull_request")
    assert not trusts("repo:somebody/example-repository:ref:refs/heads/main")
    assert not trusts("repo:example-org/example-repository:ref:refs/heads/main", "other")


def test_a_pull_request_may_read_the_ledger(stack: Stack) -> None:
    """Of this repository, in either form; and deliver nothing."""
    for form in ("example-org@123456/example-repository@456789", "example-org/example-repository"):
        assert trusted("aidrug-read", stack)(f"repo:{form}:pull_request")
        assert not trusted("aidrug-deliver", stack)(f"repo:{form}:pull_request")
    assert not trusted("aidrug-read", stack)("repo:somebody@1/example-repository@2:pull_request")


def test_every_alarm_looks_at_a_number_that_is_counted(stack: Stack) -> None:
    """In this deployment's own namespace; each says what to do, to one address."""
    cloudwatch = stack.aws.client("cloudwatch")
    counted = {
        made["metricName"]
        for group in ("probe", "host")
        for one in stack.aws.client("logs").describe_metric_filters(logGroupName=f"/aidrug/{group}")["metricFilters"]
        for made in one["metricTransformations"]
    }
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]

    names = {"automation-silent", "backup-missing", "store-unreachable", "not-served"}
    assert {f"aidrug-{name}" for name in names} < {one["AlarmName"] for one in alarms}
    for alarm in alarms:
        assert alarm["AlarmDescription"]
        assert any("aidrug-alerts" in action for action in alarm["AlarmActions"])
        assert alarm["Namespace"] != "aidrug/service" or alarm["MetricName"] in counted, alarm["AlarmName"]


def test_buckets_are_closed_encrypted_versioned_and_tidied(stack: Stack) -> None:
    """All five, by what S3 itself says; a request without TLS is denied to everybody."""
    s3 = stack.aws.client("s3")
    purposes = {"artifacts", "data", "bundles", "logs", "backups"}
    buckets = {f"aidrug-{purpose}-{ACCOUNT}" for purpose in purposes}

    assert buckets < {one["Name"] for one in s3.list_buckets()["Buckets"]}
    for name in buckets:
        assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
        assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        policy = Policies(
            s3.get_bucket_policy(Bucket=name)["Policy"],
            {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}},
        )
        assert policy.allows("s3:GetObject", f"arn:aws:s3:::{name}/x", aws__SecureTransport="true")
        assert not policy.allows("s3:GetObject", f"arn:aws:s3:::{name}/x", aws__SecureTransport="false")


def test_instances_have_no_key_and_no_way_in_for_ssh(stack: Stack) -> None:
    """IMDSv2, no key pair, and only the ports of the allowlist and of the other host."""
    outputs = stack.outputs()
    ec2 = stack.aws.client("ec2")
    for instance_id in (outputs["AIDRUG_INSTANCE_ID"], outputs["AIDRUG_TRAINING_INSTANCE_ID"]):
        instance = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        assert not instance.get("KeyName")
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        groups = [group["GroupId"] for group in instance["SecurityGroups"]]
        rules = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"][0]["IpPermissions"]
        open_ports = {rule["FromPort"] for rule in rules}
        assert open_ports == ({80, 443, 5000} if instance_id == outputs["AIDRUG_INSTANCE_ID"] else set())
        assert all(
            block["CidrIp"] == "203.0.113.0/24"
            for rule in rules
            if rule["FromPort"] != 5000
            for block in rule["IpRanges"]
        )


def test_the_plan_has_a_price(stack: Stack) -> None:
    """The estimate reads Terraform's own plan; the serving host is the larger part of an idle month."""
    stack.run("plan", "-no-color", "-input=false", "-out=now.tfplan")
    made = estimate(json.loads(stack.run("show", "-json", "now.tfplan")), training_hours=1)
    print(made.as_text())

    month = sum(line.usd for line in made.month)
    assert next(line.usd for line in made.month if line.what.startswith("t3.large")) > month / 2
    assert any(line.what.startswith("m5.2xlarge") for line in made.training)


def test_a_replaced_host_keeps_its_data_disk(stack: Stack) -> None:
    """A new instance gets the same volume, and the address stays."""
    before, disk = stack.outputs(), stack.aws.data_disk()

    stack.apply("-replace=module.host.aws_instance.this")

    after = stack.outputs()
    assert after["AIDRUG_INSTANCE_ID"] != before["AIDRUG_INSTANCE_ID"]
    assert after["address"] == before["address"]
    volume = stack.aws.data_disk()
    assert volume["VolumeId"] == disk["VolumeId"]
    assert volume["Attachments"][0]["InstanceId"] == after["AIDRUG_INSTANCE_ID"]
    assert stack.changes() == 0


def test_nothing_is_left_after_destroy(stack: Stack) -> None:
    """The last test: everything that Terraform made is gone."""
    assert stack.left_over()

    stack.run("destroy", "-no-color", "-auto-approve", "-input=false")

    assert stack.left_over() == {}
