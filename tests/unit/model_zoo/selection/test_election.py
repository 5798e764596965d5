"""The contest: gates, the paired test, and who serves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo.selection.cost import Cost
from model_zoo.selection.criteria import SelectionCriteria
from model_zoo.selection.election import Candidate, Election, decide, paired_p_value
from model_zoo.training import whole_cost

RULES = SelectionCriteria(metric="rmse")
SPREAD = (0.02, -0.01, 0.0, 0.015, -0.025)


def contender(
    model: str,
    rmse: float | Sequence[float],
    *,
    signature: str | None = None,
    snapshot: str = "s1",
    ms: float = 1.0,
    spearman: float = 0.8,
) -> Candidate:
    """Return a contender with five fold scores, around a mean unless they are given."""
    scores = [rmse + noise for noise in SPREAD] if isinstance(rmse, int | float) else list(rmse)
    return Candidate(model, signature or f"{model}-1", snapshot, {"rmse": scores, "spearman": [spearman] * 5}, ms)


NAIVE = contender("naive", 2.0, spearman=0.0)


def champion(decision: Election) -> str | None:
    """Name who serves."""
    return decision.champion.signature if decision.champion else None


def test_the_paired_p_value_is_the_corrected_t_test() -> None:
    """Gains 0.1, 0.11, 0.08 over three folds: mean 0.29/3, variance 7/30000, corrected by 1/3 + 1/2, so that
    t = 6.931 with 2 degrees of freedom; the upper tail of Student's t with 2 degrees is 1/2 - t / (2 sqrt(t^2 + 2)).
    """
    t = (0.29 / 3) / math.sqrt(7 / 30000 * (1 / 3 + 1 / 2))
    expected = 0.5 - t / (2 * math.sqrt(t * t + 2))

    assert t == pytest.approx(6.9325, abs=1e-3)
    assert paired_p_value([0.9, 0.92, 0.91], [0.8, 0.81, 0.83], higher_is_better=True) == pytest.approx(expected)


scores = st.lists(st.floats(0.01, 5, allow_subnormal=False), min_size=5, max_size=5)


@given(one=scores, other=scores, higher=st.booleans())
def test_the_paired_test_is_symmetric(one: list[float], other: list[float], higher: bool) -> None:
    """Both directions together are certain; turning the metric round turns the test round; order of folds is free."""
    p = paired_p_value(one, other, higher_is_better=higher)

    assert 0 <= p <= 1
    assert p == pytest.approx(paired_p_value(other, one, higher_is_better=not higher))
    assert p == pytest.approx(paired_p_value(one[::-1], other[::-1], higher_is_better=higher))
    if len({a - b for a, b in zip(one, other, strict=True)}) > 1:
        assert p + paired_p_value(other, one, higher_is_better=higher) == pytest.approx(1)


@pytest.mark.parametrize(("gain", "expected"), [(0.1, 0.0), (0.0, 1.0), (-0.1, 1.0)])
def test_the_same_gain_in_every_fold_needs_no_variance(gain: float, expected: float) -> None:
    """Equal gains are certain, equal scores are no gain."""
    assert paired_p_value([1 + gain] * 2, [1.0] * 2, higher_is_better=True) == expected


@pytest.mark.parametrize(("one", "other"), [([1.0], [1.0]), ([], []), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_unpaired_scores_are_refused(one: list[float], other: list[float]) -> None:
    """A paired test needs the same two or more folds."""
    with pytest.raises(ValueError, match="same two or more folds"):
        paired_p_value(one, other, higher_is_better=True)


def test_the_best_by_cross_validation_is_elected_first() -> None:
    """Without a holder the best mean over folds serves; the runner-up is the challenger."""
    decision = decide([NAIVE, contender("rf", 1.0), contender("xgb", 0.8)], None, RULES)

    assert (champion(decision), decision.changed) == ("xgb-1", True)
    assert decision.challenger is not None
    assert decision.challenger.model == "rf"
    assert decision.reason == "xgb has the best rmse over folds: 0.8"
    assert set(decision.p_values) == {"rf"}


@pytest.mark.parametrize("order", list(itertools.permutations(("naive", "rf", "svm", "xgb"))), ids="-".join)
def test_the_order_in_which_models_come_does_not_decide(order: tuple[str, ...]) -> None:
    """Elections among those that are there, each of a provisional champion, end as one election of all does; svm and
    xgb tie, so that a holder who defended the title would keep it.
    """
    tie = contender("svm", [0.81 - noise for noise in SPREAD])
    field = {"naive": NAIVE, "rf": contender("rf", 1.0), "svm": tie, "xgb": contender("xgb", 0.8)}
    at_once = decide(list(field.values()), None, RULES)
    holder = None
    for number in range(1, len(order) + 1):
        there, awaited = [field[name] for name in order[:number]], order[number:]
        holder = decide(there, holder, RULES, awaited=awaited, provisional=holder is not None).champion or holder

    assert holder == at_once.champion


def test_the_direction_of_the_metric_counts() -> None:
    """Where higher is better, the highest mean serves."""
    high, low = (contender(name, 1.0, spearman=value) for name, value in (("rf", 0.9), ("xgb", 0.5)))

    assert champion(decide([low, high], None, SelectionCriteria(metric="spearman"))) == "rf-1"


def test_the_naive_baseline_never_serves() -> None:
    """The baseline is no champion, not even alone or as the best."""
    assert champion(decide([NAIVE], None, RULES)) is None
    decision = decide([contender("naive", 0.1), contender("rf", 1.0)], None, RULES)
    assert champion(decision) is None
    assert decision.refused == {
        "naive": "it is the naive baseline",
        "rf": "rmse is not better than the naive baseline",
    }
    assert decision.reason == "no champion: no contender passes the gates"


@pytest.mark.parametrize(
    ("item", "rules", "why"),
    [
        (contender("rf", 1.0), {"minimum": {"rmse": 0.9}}, "rmse 1, expected at most 0.9"),
        (contender("rf", 1.0, spearman=0.3), {"minimum": {"spearman": 0.5}}, "spearman 0.3, expected at least 0.5"),
        (contender("rf", 1.0, ms=60.0), {}, "60 ms per molecule, expected at most 50"),
        (contender("rf", 2.0), {}, "rmse is not better than the naive baseline"),
    ],
)
def test_a_gate_refuses_with_its_reason(item: Candidate, rules: dict[str, Any], why: str) -> None:
    """Who misses a gate does not serve, however good otherwise; the reason is on record."""
    decision = decide([NAIVE, item], None, SelectionCriteria(metric="rmse", **rules))

    assert champion(decision) is None
    assert decision.refused["rf"] == why


def test_a_gate_passes_its_own_bound() -> None:
    """Exactly the asked quality and latency is enough."""
    rules = SelectionCriteria(metric="rmse", minimum={"spearman": 0.8}, max_ms_per_molecule=1.0)

    assert champion(decide([NAIVE, contender("rf", 1.0)], None, rules)) == "rf-1"


def test_the_best_of_those_that_pass_serves() -> None:
    """A refused leader leaves the place to the next."""
    decision = decide([NAIVE, contender("rf", 1.0), contender("xgb", 0.5, ms=99.0)], None, RULES)

    assert champion(decision) == "rf-1"


def test_ties_go_to_the_cheaper() -> None:
    """Within the margin and without a significant difference, cost decides."""
    best = contender("big", [1.0, 1.1, 0.9, 1.0, 1.0], ms=20.0)
    cheap = contender("small", [1.01, 1.09, 0.92, 0.99, 1.01], ms=1.0)
    decision = decide([NAIVE, best, cheap], None, RULES)

    assert champion(decision) == "small-1"
    assert (
        decision.reason
        == "small ties with big (rmse 1.004 against 1) and is cheaper: 1 ms a molecule, big 20 ms a molecule"
    )


def test_a_clear_lead_is_no_tie() -> None:
    """Cheaper but significantly worse, or beyond the margin, is not a tie."""
    best = contender("big", 1.0, ms=20.0)

    assert champion(decide([NAIVE, best, contender("small", 1.005, ms=1.0)], None, RULES)) == "big-1"
    noisy = contender("small", [0.5, 1.5, 1.3, 0.8, 1.4], ms=1.0)
    assert champion(decide([NAIVE, best, noisy], None, RULES)) == "big-1"


@pytest.mark.parametrize("ms", [0.01, 0.34, 0.36, 0.7, 0.72, 1.0, 1.5, 20.0])
def test_costs_that_hardly_differ_do_not_decide(ms: float) -> None:
    """A measured latency is noisy: within a tie, costs up to twice the least leave the better one in front, whatever
    they are; beyond, the cheaper one wins.
    """
    other = contender("small", [1.01, 1.09, 0.92, 0.99, 1.01], ms=ms)
    for factor, wins in ((0.9, "big-1"), (1.1, "big-1"), (1.9, "big-1"), (2.1, "small-1")):
        best = contender("big", [1.0, 1.1, 0.9, 1.0, 1.0], ms=factor * ms)
        assert champion(decide([NAIVE, best, other], None, RULES)) == wins


def test_no_change_on_noise() -> None:
    """A challenger with a better mean within the noise of the folds does not replace the holder."""
    holder = contender("rf", [1.0, 1.2, 0.9, 1.1, 0.8])
    challenger = contender("xgb", [0.8, 1.3, 0.8, 1.2, 0.7])
    decision = decide([NAIVE, holder, challenger], holder, RULES)

    assert challenger.mean("rmse") < holder.mean("rmse")
    assert (champion(decision), decision.changed) == ("rf-1", False)
    assert decision.reason == "rf stays: no challenger beats it"
    assert decision.challenger == challenger
    assert decision.p_values["xgb"] > RULES.alpha


def test_alternating_evaluations_do_not_flip_flop() -> None:
    """Two equal models, retrained again and again with new noise, do not take turns: the significance level bounds
    the changes, while choosing by the mean would change about every other time.
    """
    generator = np.random.default_rng(0)
    holder: Candidate | None = None
    changes = by_mean = 0
    last = ""
    for turn in range(200):
        folds = generator.normal(1.0, 0.05, 5)
        rf, xgb = (
            contender(name, list(folds + generator.normal(0, 0.02, 5)), signature=f"{name}-{turn}")
            for name in ("rf", "xgb")
        )
        before = holder.model if holder else None
        holder = decide([NAIVE, rf, xgb], holder, RULES).champion
        assert holder is not None
        changes += before is not None and holder.model != before
        best = min(("rf", "xgb"), key=lambda name, pair={"rf": rf, "xgb": xgb}: pair[name].mean("rmse"))  # type: ignore[misc]
        by_mean += last not in ("", best)
        last = best

    assert changes <= 0.08 * 200
    assert by_mean > 4 * changes


def test_the_same_evaluation_again_changes_nothing() -> None:
    """Deciding twice on the same scores keeps the decision, also after an election by cost."""
    best = contender("big", [1.0, 1.1, 0.9, 1.0, 1.0], ms=20.0)
    cheap = contender("small", [1.01, 1.09, 0.92, 0.99, 1.01], ms=1.0)
    first = decide([NAIVE, best, cheap], None, RULES)
    second = decide([NAIVE, best, cheap], first.champion, RULES)

    assert (champion(second), second.changed) == (champion(first), False)


def test_a_clear_winner_replaces() -> None:
    """Better in every fold by more than the noise takes the title, with its numbers in the reason."""
    holder = contender("rf", 1.0)
    decision = decide([NAIVE, holder, contender("xgb", [0.9, 0.88, 0.91, 0.89, 0.9])], holder, RULES)

    assert (champion(decision), decision.changed) == ("xgb-1", True)
    assert decision.challenger == holder
    assert decision.reason.startswith("xgb beats rf: rmse 0.896 against 1, paired p = ")


def test_the_better_of_two_winners_replaces() -> None:
    """Of several that beat the holder, the best by mean takes the title."""
    holder = contender("rf", 1.0)
    decision = decide([NAIVE, holder, contender("b", 0.8), contender("a", 0.9)], holder, RULES)

    assert champion(decision) == "b-1"


def test_a_winner_that_misses_a_gate_does_not_replace() -> None:
    """The gates hold for challengers too."""
    holder = contender("rf", 1.0)

    assert champion(decide([NAIVE, holder, contender("xgb", 0.5, ms=99.0)], holder, RULES)) == "rf-1"


def test_scores_on_the_test_split_cannot_choose() -> None:
    """A contender carries no score of the test split: a model planted best there but worse in cross-validation is
    not chosen.
    """
    planted, honest = contender("planted", 1.2), contender("honest", 1.0)

    assert {field.name for field in fields(Candidate)} == {"model", "signature", "snapshot", "folds", "ms_per_molecule"}
    assert champion(decide([NAIVE, planted, honest], None, RULES)) == "honest-1"


def test_a_retrained_holder_succeeds_itself() -> None:
    """The holder's model under a new signature takes over when it is not significantly worse."""
    holder = contender("rf", 1.0)
    worse_by_noise = contender("rf", [1.05, 0.96, 1.02, 1.03, 0.97], signature="rf-2")
    decision = decide([NAIVE, worse_by_noise], holder, RULES)

    assert (champion(decision), decision.changed) == ("rf-2", True)
    assert decision.reason == "rf was retrained and is not worse than before"


def test_a_retrained_holder_that_got_worse_does_not_succeed() -> None:
    """A change that breaks the champion's recipe leaves the old one serving."""
    holder = contender("rf", 1.0)
    decision = decide([NAIVE, contender("rf", 1.3, signature="rf-2")], holder, RULES)

    assert (champion(decision), decision.changed) == ("rf-1", False)
    assert "its retrained version is significantly worse" in decision.reason


def test_a_challenger_may_win_while_the_successor_fails() -> None:
    """The old holder defends the title against challengers when its successor is worse."""
    holder = contender("rf", 1.0)
    contenders = [NAIVE, contender("rf", 1.3, signature="rf-2"), contender("xgb", 0.8)]

    assert champion(decide(contenders, holder, RULES)) == "xgb-1"


def test_new_data_brings_the_successor_whatever_it_scores() -> None:
    """Scores on another snapshot do not compare: the same recipe on the new data takes the title."""
    holder = contender("rf", 0.5)
    decision = decide([NAIVE, contender("rf", 1.0, signature="rf-2", snapshot="s2")], holder, RULES)

    assert (champion(decision), decision.changed) == ("rf-2", True)
    assert decision.reason == "rf was retrained on new data"


def test_a_holder_scored_for_another_task_is_not_compared() -> None:
    """When an endpoint of zeros and ones becomes binary, its data stay the same but the old scores say nothing."""
    holder = contender("rf", 1.0)
    binary = [
        Candidate(name, f"{name}-2", "s1", {"auroc": [auroc] * 5}, 1.0) for name, auroc in (("rf", 0.8), ("naive", 0.5))
    ]

    assert champion(decide(binary, holder, SelectionCriteria(metric="auroc"))) == "rf-2"
    assert champion(decide(binary, contender("old", 1.0), SelectionCriteria(metric="auroc"))) == "rf-2"


def test_new_data_and_a_clear_winner() -> None:
    """On a new snapshot a challenger must beat the successor, not the old scores."""
    holder = contender("rf", 0.1)
    contenders = [
        NAIVE,
        contender("rf", 1.0, signature="rf-2", snapshot="s2"),
        contender("xgb", 0.8, snapshot="s2"),
    ]

    assert champion(decide(contenders, holder, RULES)) == "xgb-1"


def test_new_data_without_a_successor_elects_afresh() -> None:
    """When the holder's model is gone and its scores do not compare, the best of the others serves."""
    holder = contender("old", 0.1)
    decision = decide([NAIVE, contender("rf", 1.0, snapshot="s2")], holder, RULES)

    assert (champion(decision), decision.changed) == ("rf-1", True)
    assert decision.reason.startswith("old goes: it has no successor on the new data; rf has the best rmse")


def test_a_holder_whose_model_failed_goes_on() -> None:
    """On the same data the holder keeps the title when its model is no contender and nobody beats it."""
    holder = contender("old", 1.0)
    decision = decide([NAIVE, contender("rf", 1.1)], holder, RULES)

    assert (champion(decision), decision.changed) == ("old-1", False)
    assert "its model is no contender any more" in decision.reason


def test_nobody_passes_and_the_holder_stays() -> None:
    """Without an eligible contender the serving model continues to serve."""
    holder = contender("rf", 1.0)
    for contenders in ([], [NAIVE], [NAIVE, contender("rf", 1.0, signature="rf-2", ms=99.0, snapshot="s2")]):
        decision = decide(contenders, holder, RULES)
        assert (champion(decision), decision.changed) == ("rf-1", False)
        assert decision.reason == "rf stays: no contender passes the gates"


def test_nobody_ever_passed() -> None:
    """Without contenders and holder nobody serves, and nothing changed."""
    decision = decide([], None, RULES)

    assert (champion(decision), decision.changed, decision.challenger) == (None, False, None)


def test_a_signature_that_was_rolled_back_does_not_return() -> None:
    """What somebody rolled back from stays away by itself, even as the clear winner; as new signature it may return."""
    holder = contender("rf", 1.0)
    bad = contender("xgb", 0.5)
    decision = decide([NAIVE, holder, bad], holder, RULES, blocked={"xgb-1"})
    assert champion(decision) == "rf-1"
    assert decision.refused["xgb"] == "somebody put another in its place"
    assert decision.challenger is None

    fixed = contender("xgb", 0.5, signature="xgb-2")
    assert champion(decide([NAIVE, holder, fixed], holder, RULES, blocked={"xgb-1"})) == "xgb-2"


def test_rolling_back_to_an_older_fit_of_the_same_model_lasts() -> None:
    """Rolling back from rf-2 to rf-1 is not undone by rf-2 succeeding rf-1 again, on old data or new."""
    holder = contender("rf", 1.0)
    for snapshot in ("s1", "s2"):
        again = contender("rf", 0.9, signature="rf-2", snapshot=snapshot)
        assert champion(decide([NAIVE, again], holder, RULES, blocked={"rf-2"})) == "rf-1"


def test_a_stricter_gate_does_not_leave_the_endpoint_without_service() -> None:
    """A holder that a new gate refuses continues until another wins."""
    holder = contender("rf", 1.0)
    rules = SelectionCriteria(metric="rmse", minimum={"rmse": 0.9})

    assert champion(decide([NAIVE, holder], holder, rules)) == "rf-1"
    assert champion(decide([NAIVE, holder, contender("xgb", 0.8)], holder, rules)) == "xgb-1"


contenders_strategy = st.lists(
    st.builds(
        contender,
        st.sampled_from(["naive", "rf", "xgb", "gnn"]),
        st.lists(st.floats(0.1, 3), min_size=5, max_size=5),
        signature=st.sampled_from(["a", "b", "c", "d"]),
        snapshot=st.just("s2"),
        ms=st.sampled_from([0.1, 1.0, 99.0]),
    ),
    max_size=4,
    unique_by=(lambda item: item.model, lambda item: item.signature),
)


@settings(max_examples=200, deadline=None)
@given(
    contenders=contenders_strategy,
    holder=st.none()
    | st.builds(contender, st.sampled_from(["rf", "xgb"]), st.floats(0.5, 2), snapshot=st.sampled_from(["s1", "s2"])),
    blocked=st.sets(st.sampled_from(["a", "b"])),
)
def test_every_decision_is_sound(contenders: list[Candidate], holder: Candidate | None, blocked: set[str]) -> None:
    """For all contenders: nobody refused or held newly serves, a holder is never lost, the order of contenders is
    free, and deciding again and again on the same scores comes to rest.
    """
    decision = decide(contenders, holder, RULES, blocked=blocked)

    assert decision.champion is not None or holder is None
    if decision.changed:
        assert decision.champion in contenders
        assert decision.champion is not None
        assert decision.champion.model not in {"naive", *decision.refused}
        assert decision.champion.signature not in blocked
    assert champion(decide(contenders[::-1], holder, RULES, blocked=blocked)) == champion(decision)
    assert decision.challenger is None or decision.challenger != decision.champion
    assert decision.reason
    for _ in contenders:
        decision = decide(contenders, decision.champion, RULES, blocked=blocked)
    assert not decide(contenders, decision.champion, RULES, blocked=blocked).changed


def test_a_holder_that_fails_a_tightened_gate_gives_way() -> None:
    """When the gates are tightened and the serving model fails them, the best that passes serves; else it stays."""
    holder = contender("rf", 1.0, spearman=0.5)
    other = contender("xgb", 1.01, spearman=0.9)
    strict = SelectionCriteria(metric="rmse", minimum={"spearman": 0.7})

    decision = decide([NAIVE, holder, other], holder, strict)

    assert champion(decision) == "xgb-1"
    assert decision.reason.startswith("rf goes: spearman 0.5")
    assert champion(decide([NAIVE, holder], holder, strict)) == "rf-1"


def test_the_serving_model_is_never_held() -> None:
    """Somebody who rolled back to an older bundle of the same model has not rolled back from that model."""
    holder = contender("rf", 1.0)

    assert champion(decide([NAIVE, holder, contender("xgb", 1.01)], holder, RULES, blocked={"rf-1"})) == "rf-1"


@pytest.mark.parametrize(("endpoints", "wins"), [(1, "small-1"), (20, "big-1")])
def test_a_share_of_features_is_a_cost(monkeypatch: pytest.MonkeyPatch, endpoints: int, wins: str) -> None:
    """Of two that tie, one with descriptors for itself costs more; where many share them, the better one wins."""
    best = contender("big", [1.0, 1.1, 0.9, 1.0, 1.0], ms=0.5)
    other = contender("small", [1.01, 1.09, 0.92, 0.99, 1.01], ms=0.4)
    features = {"big": ["bits", "descriptors"], "small": ["bits"]}
    ms = {"bits": 0.1, "descriptors": 3.0}
    monkeypatch.setattr(whole_cost, "featurizing_ms", lambda names, smiles: {name: ms[name] for name in names})

    def costs(some: Sequence[Candidate]) -> list[Cost]:
        readers = dict.fromkeys(ms, endpoints)
        return whole_cost.whole_costs(some, features, {"big": 1.0, "small": 2.0}, readers, ["CCO"])

    assert champion(decide([NAIVE, best, other], None, RULES, costs=costs)) == wins


@pytest.mark.parametrize(
    ("big", "small", "wins"), [(9.0, 0.1, "big-1"), (150.0, 20.0, "small-1"), (39.0, 20.0, "big-1")]
)
def test_a_large_bundle_is_a_cost(big: float, small: float, wins: str) -> None:
    """Twice the megabytes of the smallest tied one, above what is small, lose; what is small for all does not count."""
    best = contender("big", [1.0, 1.1, 0.9, 1.0, 1.0], ms=1.0)
    other = contender("small", [1.01, 1.09, 0.92, 0.99, 1.01], ms=1.0)
    costs = [Cost(1.0, big), Cost(1.0, small)]
    assert champion(decide([NAIVE, best, other], None, RULES, costs=lambda _: costs)) == wins


def test_costs_are_asked_for_where_some_tie_alone() -> None:
    """They take a moment to measure."""
    best = contender("big", 1.0, ms=20.0)

    def costs(some: Sequence[Candidate]) -> list[Cost]:
        raise AssertionError(f"measured {some}")

    assert champion(decide([NAIVE, best, contender("small", 1.5)], None, RULES, costs=costs)) == "big-1"
