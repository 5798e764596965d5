"""`aidrug keys`: who may use the service."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from model_zoo.type_aliases import Json

from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    from serving.auth.audit import Audit
    from serving.auth.keys import Key, KeyStore


@click.group()
def keys() -> None:
    """Create, list and revoke API keys of the service."""


@keys.command("create")
@click.argument("label")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What the key allows: predict, jobs, feedback, admin; may be repeated.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Days until it expires; never if omitted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(label: str, scopes: tuple[str, ...], days: int | None, *, as_json: bool) -> None:
    """Create a key for LABEL and print it once: only its hash is kept.

    The first key closes the service: from then on every request needs one, on this machine too.
    """
    store, audit = _open()
    key, text = store.create(label, scopes, valid_days=days)
    audit.note("create key", f"{key.id} {key.label}", who=getpass.getuser(), where="command line", result="done")
    if as_json:
        click.echo(json.dumps({"key": text, **_record(key)}, indent=1))
        return
    click.echo(text)
    click.echo(
        f"Key {key.id} allows {', '.join(key.scopes)}"
        + (f" until {key.expires}" if key.expires else "")
        + ". It is not shown again. Send it as Authorization: Bearer KEY.",
        err=True,
    )


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(*, as_json: bool) -> None:
    """List every key that was ever created, without secrets."""
    store, _ = _open()
    records = [_record(key) for key in store.all()]
    if as_json:
        click.echo(json.dumps(records, indent=1))
    elif not records:
        click.echo("no key was ever made: the service is open, on this machine only")
    for record in records if not as_json else []:
        used = f"used {record['last_used']}" if record["last_used"] else "never used"
        click.echo(
            f"{record['id']}  {record['state']:<8} {record['label']}  {','.join(record['scopes'])}  "
            f"made {record['created']}  expires {record['expires'] or 'never'}  {used}"
        )


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Revoke the key ID for good. The service refuses it within seconds."""
    store, audit = _open()
    key = store.revoke(key_id)
    audit.note("revoke key", f"{key.id} {key.label}", who=getpass.getuser(), where="command line", result="done")
    click.echo(f"key {key.id} ({key.label}) is revoked")


def _open() -> tuple[KeyStore, Audit]:
    from serving.auth.audit import Audit
    from serving.auth.keys import KeyStore

    folder = Settings.from_env().home / "service"
    return KeyStore(folder / "keys.sqlite"), Audit(folder / "audit.jsonl")


def _record(key: Key) -> dict[str, Json]:
    valid = key.is_valid(datetime.now(UTC))
    state = "valid" if valid else "revoked" if key.revoked else "expired"
    return {"state": state, **{name: value for name, value in asdict(key).items() if name != "digest"}}
