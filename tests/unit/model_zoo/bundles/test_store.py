"""The store in a folder: atomic, lasting, and never in the way of the next writer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest

from model_zoo.bundles.reader import load_bundle, verify_files
from model_zoo.bundles.store import FolderStore, Pointer, parse_pointer
from model_zoo.errors import StoreError
from tests.bundle_factory import appoint_unseen, publish, write

ROOT = Path(__file__).parents[4]
KILLS = 25
WRITER = """
import os, sys
from pathlib import Path
from model_zoo.bundles.store import FolderStore
from model_zoo.bundles.reader import verify_files
for line in sys.stdin:  # each line a writer of its own, which need not import anything anew
    writer = os.fork()
    if writer:
        print(writer, flush=True)
        os.waitpid(writer, 0)
        print("ended", flush=True)
        continue
    root, *folders = map(Path, line.split())
    store = FolderStore(root)
    while True:
        for folder in folders:
            manifest = verify_files(folder)
            store.put_bundle(folder)
            store.update_pointer(lambda pointer: pointer.appoint({manifest.endpoint: manifest.version}, by="writer"))
"""


def test_an_unused_store_has_no_pointer(tmp_path: Path) -> None:
    """A store that nobody wrote to is empty, not broken."""
    store = FolderStore(tmp_path / "nowhere")

    assert store.read_pointer_bytes() is None
    assert parse_pointer(None) == Pointer()
    with pytest.raises(StoreError, match="not in the store"):
        store.fetch_bundle("solubility_logs", "rf-0")


def test_a_published_bundle_loads_from_the_store(tmp_path: Path) -> None:
    """What was put can be fetched, and is the same bundle."""
    store = FolderStore(tmp_path / "store")
    version = publish(store, tmp_path / "bundle", value=-2.5)

    bundle = load_bundle(store.fetch_bundle("solubility_logs", version))

    assert (bundle.manifest.version, bundle.card.scores.test) == (version, {"rmse": 0.7})


def test_publishing_the_same_bundle_twice_changes_nothing(tmp_path: Path) -> None:
    """Publishing is idempotent: same version, same files, same pointer."""
    store = FolderStore(tmp_path / "store")
    first = publish(store, tmp_path / "bundle")
    before = store.read_pointer_bytes()
    second = store.put_bundle(tmp_path / "bundle")
    store.update_pointer(lambda pointer: pointer.appoint({"solubility_logs": second}, by="test"))

    assert first == second
    assert store.read_pointer_bytes() == before


def test_history_grows_oldest_first_without_the_current_version(tmp_path: Path) -> None:
    """The pointer remembers who served before, oldest first."""
    store = FolderStore(tmp_path / "store")
    versions = [publish(store, tmp_path / str(value), value=value) for value in (1.0, 2.0, 3.0)]
    current = parse_pointer(store.read_pointer_bytes()).endpoints["solubility_logs"]

    assert current.version == versions[2]
    assert [entry.version for entry in current.history] == versions[:2]


def test_rolling_back_serves_the_previous_version_and_holds_the_other(tmp_path: Path) -> None:
    """A version that somebody rolled back from does not return by itself, but a newer one may come."""
    store = FolderStore(tmp_path / "store")
    old, new = (publish(store, tmp_path / str(value), value=value) for value in (1.0, 2.0))
    rolled = store.update_pointer(lambda pointer: pointer.roll_back("solubility_logs", by="rollback"))
    again = store.update_pointer(lambda pointer: pointer.appoint({"solubility_logs": new}, by="inference_service"))
    newest = publish(store, tmp_path / "3", value=3.0)

    assert (rolled.endpoints["solubility_logs"].version, rolled.endpoints["solubility_logs"].blocked_version) == (
        old,
        new,
    )
    assert again == rolled
    assert parse_pointer(store.read_pointer_bytes()).endpoints["solubility_logs"].version == newest


def test_rolling_back_twice_does_not_return_to_the_version_left_first(tmp_path: Path) -> None:
    """Going back from a bad champion, and back again, reaches the one before both."""
    store = FolderStore(tmp_path / "store")
    versions = [publish(store, tmp_path / str(value), value=value) for value in (1.0, 2.0, 3.0)]
    served = [
        store.update_pointer(lambda pointer: pointer.roll_back("solubility_logs", by="rollback"))
        .endpoints["solubility_logs"]
        .version
        for _ in range(2)
    ]

    assert served == [versions[1], versions[0]]


def test_rolling_back_without_an_earlier_champion_is_refused(tmp_path: Path) -> None:
    """There is nothing to go back to for a first champion or an endpoint nobody knows."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle")

    with pytest.raises(StoreError, match="no earlier champion"):
        store.update_pointer(lambda pointer: pointer.roll_back("solubility_logs", by="rollback"))
    with pytest.raises(StoreError, match="endpoints that serve are solubility_logs"):
        store.update_pointer(lambda pointer: pointer.roll_back("herg", by="rollback"))


def test_writers_side_by_side_lose_no_update(tmp_path: Path) -> None:
    """Every update is made on top of the one before, by any writer."""
    store = FolderStore(tmp_path / "store")

    def appoint(number: int) -> None:
        FolderStore(store.root).update_pointer(lambda now: appoint_unseen(now, f"e{number}"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(appoint, range(40)))
    pointer = parse_pointer(store.read_pointer_bytes())

    assert (pointer.generation, len(pointer.endpoints)) == (40, 40)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A fault of the file system comes as a StoreError that names the store."""
    (tmp_path / "store").write_text("a file where a folder should be")

    with pytest.raises(StoreError, match="cannot be written"):
        FolderStore(tmp_path / "store").update_pointer(lambda pointer: pointer.appoint({"e": "v"}, by="test"))


def test_a_pointer_that_is_not_one_is_refused(tmp_path: Path) -> None:
    """Half a pointer is an error, never an empty pointer: nothing would be served any more."""
    with pytest.raises(StoreError, match="not a valid pointer"):
        parse_pointer(b'{"format": 1, "generation": 3, "endp')


@pytest.mark.timeout(300)
def test_a_writer_killed_at_any_moment_leaves_old_or_new_state(tmp_path: Path) -> None:
    """After kill -9 at random moments the pointer is valid, names whole bundles only, and the next writer continues."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "first", value=0.0)
    folders = [tmp_path / f"b{number}" for number in range(12)]
    for number, folder in enumerate(folders):
        write(folder, endpoint=f"endpoint_{number % 3}", value=float(number))
    generator = random.Random(7)
    generations = [1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, text=True) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        for _ in range(KILLS):
            sequence = generator.sample(folders, len(folders))
            print(store.root, *sequence, file=writers.stdin, flush=True)
            writer = int(writers.stdout.readline())
            time.sleep(generator.uniform(0.0, 0.06))
            os.kill(writer, signal.SIGKILL)
            assert writers.stdout.readline() == "ended\n"

            pointer = parse_pointer(store.read_pointer_bytes())
            generations.append(pointer.generation)
            for endpoint, current in pointer.endpoints.items():
                assert verify_files(store.fetch_bundle(endpoint, current.version)).version == current.version
            for visible in store.root.glob("bundles/*/[!.]*"):
                verify_files(visible)
        writers.stdin.close()
    last = publish(store, tmp_path / "last", value=99.0)
    leftovers = [path for path in store.root.rglob(".*") if path.name != ".lock" and path.parent == store.root]

    assert generations == sorted(generations)
    assert generations[-1] > generations[0], "no writer ever got as far as the pointer: the test tests nothing"
    assert parse_pointer(store.read_pointer_bytes()).endpoints["solubility_logs"].version == last
    assert not leftovers
