"""The scripts of a host: what a shell and SSM demand of them, and that a disk with data is never formatted."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serving import metrics
from serving.api.metrics import Pipeline
from serving.telemetry.pipeline_state import AutomationState, PipelineState
from tests.doubles.host_document import host_document

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "infra" / "host").glob("*.sh"))
VOLUME = "vol-0123456789abcdef0"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_posix_and_stop_at_a_fault(script: Path) -> None:
    """SSM and first boot run them with whatever `sh` is; an unnoticed fault would reach the next step."""
    text = script.read_text(encoding="utf-8")

    subprocess.run(["sh", "-n", script], check=True)
    assert "\nset -eu\n" in text
    assert "pipefail" not in text
    assert "{{" not in text  # SSM would take it for one of its parameters


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script: Path) -> None:
    """No quoting fault, no command that only another shell has."""
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, "-s", "sh", script], capture_output=True, text=True, check=False)

    assert done.stdout == ""


def test_the_document_fits_into_ssm() -> None:
    """SSM takes 64 KB, first boot 16 KB."""
    assert len(json.dumps(host_document())) < 64 * 1024
    template = (ROOT / "infra/terraform/modules/host/user_data.sh.tftpl").read_bytes()
    assert len(template) + len((ROOT / "infra/host/boot.sh").read_bytes()) < 16 * 1024 - 512


def boot(tmp_path: Path, **answers: str) -> tuple[int, str, list[str]]:
    """Mount the data disk with programs that only note what they were asked; give exit code, output and calls."""
    bin_folder, by_id = tmp_path / "bin", tmp_path / "by-id"
    bin_folder.mkdir()
    by_id.mkdir()
    for name in ("blkid", "mkfs.xfs", "mount", "mountpoint", "xfs_growfs", "resize2fs"):
        program = bin_folder / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/calls\n{answers.get(name, "exit 0")}\n')
        program.chmod(0o755)
    if "missing" not in answers:
        content = answers.get("content", "").encode() or b"\0" * 4096
        (by_id / f"nvme-Amazon_Elastic_Block_Store_{VOLUME.replace('-', '')}").write_bytes(content)
    (tmp_path / "fstab").touch()
    environment = {
        "PATH": f"{bin_folder}:/usr/sbin:/usr/bin:/bin",
        "AIDRUG_SOURCED": "yes",
        "AIDRUG_STATE": str(tmp_path / "state"),
        "AIDRUG_BY_ID": str(by_id),
        "AIDRUG_FSTAB": str(tmp_path / "fstab"),
        "AIDRUG_WAIT_SECONDS": "0",
        "DATA_VOLUME_ID": VOLUME,
    }
    command = f". {ROOT / 'infra/host/boot.sh'}; mount_data"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    calls = tmp_path / "calls"
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines() if calls.exists() else []


NOT_MOUNTED = "exit 1"


def test_an_empty_disk_gets_a_file_system(tmp_path: Path) -> None:
    """A new volume is all zeros: it is formatted once and mounted."""
    code, _, calls = boot(tmp_path, blkid="exit 2", mountpoint=NOT_MOUNTED)

    assert code == 0
    assert [call.split()[0] for call in calls] == ["blkid", "mkfs.xfs", "mountpoint", "mount", "xfs_growfs"]
    assert "defaults,nofail,noatime" in (tmp_path / "fstab").read_text()


@pytest.mark.parametrize(("kind", "grows"), [("xfs", "xfs_growfs"), ("ext4", "resize2fs")])
def test_a_disk_with_a_file_system_is_mounted_as_it_is(tmp_path: Path, kind: str, grows: str) -> None:
    """The data of the host before this one stays; a volume that was enlarged grows."""
    code, _, calls = boot(tmp_path, blkid=f"echo {kind}", mountpoint=NOT_MOUNTED)

    assert code == 0
    assert not any(call.startswith("mkfs") for call in calls)
    assert calls[-1].startswith(grows)


@pytest.mark.game_day(
    fault="the data disk holds something unknown",
    message="is not empty, but holds no file system that is known here. It was left alone.",
)
@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"blkid": "exit 4"}, "could not read the data disk vol-0123456789abcdef0 .exit 4.. It was left alone"),
        ({"blkid": "exit 2", "content": "somebody's data"}, "is not empty, but holds no file system that is known"),
        ({"blkid": "echo ntfs"}, "holds 'ntfs', expected xfs, ext4 or an empty disk"),
        ({"blkid": "exit 0"}, "holds 'a partition table'"),
        ({"missing": "yes"}, "did not appear within 0 s. Is it attached"),
    ],
)
def test_a_disk_that_is_not_understood_is_left_alone(tmp_path: Path, answers: dict[str, str], message: str) -> None:
    """Whatever else is wrong, nothing that may be data is formatted, and the message says which disk it was."""
    import re

    code, output, calls = boot(tmp_path, **answers)

    assert code == 1
    assert re.search(message, output), output
    assert not any(call.startswith(("mkfs", "mount ")) for call in calls)


def test_a_second_boot_changes_nothing(tmp_path: Path) -> None:
    """A mounted disk is neither mounted again nor entered again."""
    code, _, calls = boot(tmp_path, blkid="echo xfs")

    assert code == 0
    assert not any(call.startswith(("mkfs", "mount ")) for call in calls)
    assert (tmp_path / "fstab").read_text() == ""


def test_the_probe_notes_readiness_errors_and_the_time_of_predictions(tmp_path: Path) -> None:
    """One line of JSON a minute, of what was new since the line before; a restart of the service is no error."""
    curl = tmp_path / "curl"
    (tmp_path / "secrets.env").write_text("AIDRUG_ADMIN_TOKEN='t0ken'\n")
    (tmp_path / ".env").touch()
    done = tmp_path / "home" / "locks" / "backed_up"
    done.parent.mkdir(parents=True)
    done.touch()
    os.utime(done, (time.time() - 7.5 * 3600,) * 2)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "AIDRUG_PROBE_LOG": str(tmp_path / "probe.log"),
        "AIDRUG_PROBE_MEMORY": str(tmp_path / "memory"),
        "AIDRUG_SECRETS": str(tmp_path / "secrets.env"),
        "AIDRUG_ROOT": str(tmp_path),
        "AIDRUG_STATE": str(tmp_path),
    }
    alive = """*graphql) printf '{"data":{"instance":{"daemonHealth":{"daemonStatus":{"healthy":true}}}}}';;"""
    shows = f"grep -q 'Bearer t0ken\"$' && cat {tmp_path}/metrics"
    # Errors, predictions, their seconds, for how long the automation has not looked; champions that are refused.
    minutes = ((3, 4, 0.1, None), (5, 6, 0.7, 20.0), (5, 6, 0.7, 7200.0, 3), (1, 2, 0.02, None), None)
    for counted in minutes:
        (tmp_path / "metrics").write_text(served(*counted) if counted else "")
        does = f"{alive} *metrics) {shows};; *) printf 0.0124;;" if counted else "*) exit 7;;"
        curl.write_text(f"#!/bin/sh\ncase $* in {does} esac\n")
        curl.chmod(0o755)
        subprocess.run(["sh", ROOT / "infra/host/probe.sh"], env=environment, check=True)

    lines = [json.loads(line) for line in (tmp_path / "probe.log").read_text().splitlines()]
    works = {"store_unreachable": 0, "not_served": 0, "automation": 1, "backup_hours": 7}
    refused = {"store_unreachable": 1, "not_served": 3, "automation": 0, "backup_hours": 7}
    unknown = {"store_unreachable": None, "not_served": None, "automation": 0, "backup_hours": 7}
    assert lines == [
        {"up": 1, "ready_ms": 12, "errors": 3, "predict_ms": 25, **works},
        {"up": 1, "ready_ms": 12, "errors": 2, "predict_ms": 300, **works},
        {"up": 1, "ready_ms": 12, "errors": 0, "predict_ms": None, **refused},
        {"up": 1, "ready_ms": 12, "errors": 1, "predict_ms": 10, **works},
        {"up": 0, "ready_ms": None, "errors": None, "predict_ms": None, **unknown},
    ]


def test_the_probe_is_silent_where_nothing_is_deployed_and_of_an_automation_that_a_delivery_stopped(
    tmp_path: Path,
) -> None:
    """A host that only trains has no service to be down; a training of hours is no silent daemon."""
    (tmp_path / "curl").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "curl").chmod(0o755)
    log = tmp_path / "probe.log"
    names = {"AIDRUG_ROOT": "", "AIDRUG_STATE": "", "AIDRUG_PROBE_LOG": "probe.log", "AIDRUG_PROBE_MEMORY": "memory"}
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **{name: str(tmp_path / at) for name, at in names.items()}}
    probe: list[str | Path] = ["sh", ROOT / "infra/host/probe.sh"]

    subprocess.run(probe, env=environment, check=True)
    assert not log.exists()
    (tmp_path / ".env").touch()
    with (tmp_path / "delivery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(probe, env=environment, check=True)
    awaits, paused = tmp_path / "awaits", tmp_path / "paused"
    for until in (time.time() + 60, time.time() - 60):  # a training elsewhere; one that nobody speaks of any more
        awaits.write_text(f"{until:.0f}\n")
        subprocess.run(probe, env=environment, check=True)
    for hours in (3, 5):  # an operator at work; one who forgot it
        paused.touch()
        os.utime(paused, (time.time() - hours * 3600,) * 2)
        subprocess.run(probe, env=environment, check=True)
    told = [json.loads(line)["automation"] for line in log.read_text().splitlines()]
    assert told == [None, None, 0, None, 0]


def served(errors: int, answers: int, seconds: float, silent_s: float | None, refused: int = 0) -> str:
    """Return what the service's counters say, in the service's own words; of the automation where it is known."""
    registry = CollectorRegistry()
    counted, timed = metrics.REQUESTS, metrics.REQUEST_SECONDS
    requests = Counter(counted._name, "x", counted._labelnames, registry=registry)
    times = Histogram(timed._name, "x", timed._labelnames, registry=registry)
    requests.labels("/v1/predict", "POST", "503").inc(errors)
    requests.labels("/v1/predict", "POST", "200").inc(9)
    times.labels("/v1/jobs").observe(77)
    Gauge("aidrug_store_unreachable", "x", registry=registry).set(bool(refused))
    Gauge("aidrug_not_served", "x", registry=registry).set(refused)
    for _ in range(answers):
        times.labels("/v1/predict").observe(seconds / answers)
    if silent_s is not None:
        registry.register(Pipeline(PipelineState(AutomationState(), time.time() - silent_s)))
    return generate_latest(registry).decode()
