"""`aidrug deploy`: bring a revision to its hosts and see that it serves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from model_zoo.errors import ConfigError

from ai_drug_assets.aws.faults import HostError
from ai_drug_assets.aws.hosts import Ended, Host, Pace, Say, Target
from ai_drug_assets.revision import UNKNOWN
from ai_drug_assets.settings import TIMEOUT_MINUTES

REMEDIES = {
    "TimedOut": "it took longer than it may. Raise training_timeout_minutes, or take a larger host",
    "Undelivered": "the host took no command for five minutes. Has its agent lost contact? aidrug host status",
    "Cancelled": "it was cancelled",
    "Undeliverable": "SSM could not hand it to the host. Look: aidrug host status",
    "Terminated": "SSM gave it up. Look: aidrug host status",
}


def deploy(
    target: Target, sha: str, say: Say, *, timeout_seconds: int = TIMEOUT_MINUTES * 60, pace: Pace | None = None
) -> None:
    """Bring a revision to its hosts.

    With a training host: bring MLflow up, train there (started for it, stopped afterwards), then let the serving host,
    which finds those trainings finished, judge, publish and swap. Without one, the serving host does both.

    Parameters
    ----------
    target
        Which deployment.
    sha
        40 hexadecimal digits; the images must carry it as their tag.
    say
        Receives one line at a time.
    timeout_seconds
        Limit for all of it.
    pace
        How often AWS is asked.

    Raises
    ------
    ConfigError
        When the SHA is none.
    HostError
        When a host does not come up or the delivery failed; what served before then still serves.
    """
    require_sha(sha)
    pace = pace or Pace()
    until = time.monotonic() + timeout_seconds
    host = Host(target, target.instance_id, say, pace)

    def left() -> int:
        return max(1, int(until - time.monotonic()) + 1)

    if target.training_instance_id:
        trainer = Host(target, target.training_instance_id, say, pace)
        if trainer.tags().get("role") != "train":
            raise HostError(
                f"AIDRUG_TRAINING_INSTANCE_ID: {target.training_instance_id} is not a host that only trains. "
                "Set what `terraform output settings` prints, or none."
            )
        host.start()
        # The trainings report to MLflow there, which a new host does not run yet.
        require_success(host.run("mlflow", sha=sha, timeout_seconds=left()), "starting MLflow", host.instance_id)
        try:
            _train(trainer, sha, left(), _reminder(host, say, pace.renew))
        except BaseException:
            host.run("abandon", timeout_seconds=900)  # what is deployed there waits for this delivery
            raise
    host.start()
    require_success(host.run("deploy", sha=sha, timeout_seconds=left()), "the delivery", host.instance_id)


def _reminder(host: Host, say: Say, every: float) -> Callable[[], None]:
    """Return what reminds the host that serves, now and then, that the training elsewhere continues.

    If this process is killed, that host stops waiting by itself.
    """
    last = time.monotonic()

    def remind() -> None:
        nonlocal last
        if time.monotonic() - last < every:
            return
        last = time.monotonic()
        try:
            host.send("await", timeout_seconds=120)
        except HostError as error:  # the training continues, and there are five more times
            say(f"{host.instance_id} could not be asked to wait longer for the training: {error}")

    return remind


def _train(trainer: Host, sha: str, timeout_seconds: int, meanwhile: Callable[[], None]) -> None:
    stop = trainer.tags().get("shutdown") == "after_training"
    try:
        trainer.start()
        ended = trainer.run("train", sha=sha, timeout_seconds=timeout_seconds, meanwhile=meanwhile)
        require_success(ended, "the training", trainer.instance_id)
    finally:
        if stop:
            trainer.stop()


def require_success(ended: Ended, what: str, instance_id: str) -> None:
    """Raise when a command did not succeed, with the line that says why."""
    if ended.status == "Success":
        return
    failures = [line for line in ended.output.splitlines() if " FAILED " in line]
    reason = (
        failures[-1].split(" FAILED ", 1)[1] if failures else REMEDIES.get(ended.status, f"it ended with {ended.code}")
    )
    raise HostError(f"{what} failed on {instance_id}: {reason}")


def require_sha(sha: str) -> None:
    """Refuse what is no full Git SHA.

    Examples
    --------
    >>> require_sha("main")
    Traceback (most recent call last):
    ...
    model_zoo.errors.ConfigError: expected a Git SHA of 40 hexadecimal digits, got 'main': `git rev-parse main`
    """
    if not re.fullmatch(r"[0-9a-f]{40}", sha):
        advice = "name it, aidrug deploy --sha SHA" if sha == UNKNOWN else f"`git rev-parse {sha}`"
        raise ConfigError(f"expected a Git SHA of 40 hexadecimal digits, got {sha!r}: {advice}")
