"""The pointer: no changed byte is read, nothing comes after what it cannot come after, and nothing goes missing.

Who could bring what: a bad disk or half a copy (any byte), a script that truncates, a backup copied over the file (an
older generation), an editor (an endpoint less), an earlier version (no seal), a later one (more fields, newer rules).
"""

from __future__ import annotations

import json

import pytest

from model_zoo.bundles.pointer import Pointer, PointerError, is_unsealed, parse_pointer
from model_zoo.errors import StoreError
from model_zoo.io.seal import is_sealed, sealed
from tests.bundle_factory import appoint_unseen

LINEAGE = "5d" * 16


@pytest.fixture
def pointer() -> Pointer:
    """Return a pointer with history, a trial, a hold and a withdrawn endpoint, as a store writes it."""
    made = Pointer(lineage=LINEAGE)
    for endpoint, version in (("a", "rf-1"), ("a", "rf-2"), ("b", "xgb-1")):
        made = appoint_unseen(made, endpoint, version)
    made = made.put_on_trial({"a": ("gp-1", "split", 0.25)}, by="test").appoint({"c": "svm-1"}, by="test")
    return made.withdraw("b", by="ann", reason="the assay was wrong")


def test_what_was_written_is_read_again(pointer: Pointer) -> None:
    """Reading returns what was written."""
    assert parse_pointer(pointer.as_bytes()) == pointer


def test_no_byte_can_be_changed(pointer: Pointer) -> None:
    """Every single byte: another one in its place is refused by name, also where it would be as good JSON."""
    content = pointer.as_bytes()
    for place in range(len(content)):
        for change in (1, 2, 0x20, 0x80):
            damaged = bytearray(content)
            damaged[place] ^= change
            with pytest.raises(PointerError, match=r"current\.json is not a valid pointer"):
                parse_pointer(bytes(damaged))


def test_no_byte_can_be_lost_or_added(pointer: Pointer) -> None:
    """Cut anywhere, or with anything behind it, it is refused; so is an empty file."""
    content = pointer.as_bytes()
    wrong = [content[:length] for length in range(len(content))]
    wrong += [content + more for more in (b" ", b"\n", b"\0", content)]
    for damaged in wrong:
        with pytest.raises(PointerError, match=r"current\.json is not a valid pointer"):
            parse_pointer(damaged)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"generation": True}, "generation"),
        ({"generation": "3"}, "generation"),
        ({"generation": -1}, "generation"),
        ({"endpoints": {}, "withdrawn": {}}, "expected at least one endpoint, got none"),
        ({"endpoints": {"a": {"version": 3, "since": "", "by": ""}}}, "endpoints.a.version"),
        ({"endpoints": {"a": {"version": "v", "since": "", "by": "", "manifest": "short"}}}, "endpoints.a.manifest"),
        ({"format": 0}, "expected a format of 1 or more, got 0"),
        ({"format": True}, "expected a format of 1 or more, got True"),
        ({"format": "2"}, "expected a format of 1 or more, got '2'"),
        ({"minimum_reader": None}, "expected a minimum_reader of 1 to 2, got None"),
        ({"minimum_reader": 3}, "expected a minimum_reader of 1 to 2, got 3"),
    ],
)
def test_a_sealed_pointer_with_wrong_values_is_refused(
    pointer: Pointer, fields: dict[str, object], message: str
) -> None:
    """A seal makes no sense of nonsense: a text is not a number, nothing is not a pointer."""
    with pytest.raises(PointerError, match=r"not a valid pointer") as error:
        parse_pointer(sealed({**pointer.as_json(), **fields}))
    assert message in str(error.value)


def test_a_pointer_for_newer_readers_is_refused_with_what_to_do(pointer: Pointer) -> None:
    """It says which reader it needs, and how to get there."""
    with pytest.raises(PointerError, match=r"needs a reader of version 9 or newer.*of version 2: bring this install"):
        parse_pointer(sealed({**pointer.as_json(), "format": 9, "minimum_reader": 9}))


def test_what_a_newer_version_added_is_ignored(pointer: Pointer) -> None:
    """Unknown fields, at any depth, change nothing of what is read; what is written back is of this version."""
    fields = {**pointer.model_dump(mode="json", exclude_none=True), "format": 7, "region": "eu", "minimum_reader": 2}
    fields["endpoints"]["a"]["ticket"] = {"id": 12}
    read = parse_pointer(sealed(fields))

    assert read == pointer
    assert json.loads(read.as_bytes())["format"] == 2


def test_a_seal_is_one_field_of_the_whole() -> None:
    """A text that looks like a seal is no seal; without one there is none."""
    content = sealed({"by": '"seal": "' + "0" * 64 + '"'})

    assert is_sealed(content)
    assert not is_sealed(b'{"by": 1}')
    with pytest.raises(ValueError, match="too many values"):
        sealed({"deeper": {"seal": "0" * 64}})


def test_a_pointer_cannot_go_back_or_say_two_things_within_its_lineage(pointer: Pointer) -> None:
    """A lower generation, the same one with another content, or one without an endpoint is damage."""
    later = pointer.roll_back("a", by="test")
    other = pointer.put_on_trial({"a": None}, by="test")
    fewer = later.model_copy(update={"generation": later.generation + 1, "withdrawn": {}})

    assert later.damage_after(pointer) is None
    assert later.damage_after(later) is None
    assert "went back from generation 7 to generation 6" in str(pointer.damage_after(later))
    assert "something else than before" in str(other.damage_after(later))
    assert "no longer names b in" in str(fewer.damage_after(later))


def test_another_lineage_may_say_anything(pointer: Pointer) -> None:
    """A restored pointer is older, and is followed."""
    restored = Pointer(lineage=LINEAGE).appoint({"a": "rf-0"}, by="test").restored()

    assert restored.lineage != LINEAGE
    assert restored.damage_after(pointer) is None


def test_a_withdrawn_endpoint_is_an_entry_and_comes_back_by_hand_only(pointer: Pointer) -> None:
    """Who, when and why stay; publishing does not bring it back, reinstating does, with its history."""
    entry = pointer.withdrawn["b"]
    again = pointer.reinstate("b", by="ben")

    assert (entry.by, entry.reason, entry.last.version) == ("ann", "the assay was wrong", "xgb-1")
    assert pointer.appoint({"b": "xgb-2"}, by="inference_service") is pointer
    assert (again.endpoints["b"].version, again.endpoints["b"].by, again.withdrawn) == ("xgb-1", "ben", {})
    assert again.damage_after(pointer) is None
    with pytest.raises(StoreError, match="expected a reason for withdrawing it, got none"):
        pointer.withdraw("a", by="ann", reason="  ")
    with pytest.raises(StoreError, match="endpoints that serve are a, c"):
        pointer.withdraw("z", by="ann", reason="never there")
    with pytest.raises(StoreError, match=r"'b' was withdrawn on .* by ann: the assay was wrong"):
        pointer.withdraw("b", by="ann", reason="again")
    with pytest.raises(StoreError, match="those that were are b"):
        pointer.reinstate("a", by="ann")


def test_endpoints_follow_the_configuration_of_who_publishes(pointer: Pointer) -> None:
    """What was published and is no longer configured is withdrawn, and returns with its file; what others know stays.

    So does what somebody withdrew by hand. Twice is once.
    """
    gone = pointer.follow(["c"], ["a", "c"], by="me")
    back = gone.follow(["a", "b", "c"], ["c"], by="me")

    assert set(gone.endpoints) == {"c"}
    assert gone.withdrawn["a"].reason == "it is no longer configured (configs/endpoints/)"
    assert gone.withdrawn["a"].last == pointer.endpoints["a"]
    assert gone.follow(["c"], ["a", "c"], by="me") is gone
    assert gone.damage_after(pointer) is None
    assert (back.endpoints["a"].version, set(back.withdrawn)) == (pointer.endpoints["a"].version, {"b"})
    assert pointer.follow(["c"], ["c"], by="another who never published a") is pointer
    assert set(gone.follow(["a", "c"], ["a", "c"], by="one who still has it").withdrawn) == {"a", "b"}


def test_digests_travel_with_their_versions(pointer: Pointer) -> None:
    """Promoting and rolling back keep what is known of a manifest."""
    known = pointer.endpoints["a"].manifest

    assert known is not None
    assert pointer.appoint({"a": "gp-2"}, by="t").roll_back("a", by="t").endpoints["a"].manifest == known
    assert not is_unsealed(pointer.as_bytes())
