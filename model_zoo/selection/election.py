"""Who serves an endpoint: gates, the paired test over folds, and the decision.

Belongs here: comparing trained models that were scored on the same folds, and saying why one of them wins.
Does not belong here: fitting, bundles, registries. Test-split scores pass through for the record and are
never read here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.selection.cost import Cost, cheap_ones
from model_zoo.selection.criteria import SelectionCriteria

BASELINE = "naive"


@dataclass(frozen=True)
class Candidate:
    """A trained model in the contest."""

    model: str
    signature: str
    """`model` and `signature`: what it is."""
    snapshot: str
    """Data version of the dataset it was scored on: scores compare only within one snapshot."""
    folds: Mapping[str, Sequence[float]]
    """Fold scores by metric."""
    ms_per_molecule: float
    """What one prediction costs without its features."""

    def mean(self, metric: str) -> float:
        """Return the mean over folds."""
        scores = self.folds[metric]
        return math.fsum(scores) / len(scores)


@dataclass(frozen=True)
class Election:
    """Who serves, and why."""

    champion: Candidate | None
    """The one to serve; none when nobody passes the gates and nobody served before."""
    changed: bool
    """Whether that is another trained model than the one serving until now."""
    challenger: Candidate | None
    """The best of the others that pass the gates, if any."""
    reason: str
    """One sentence for people."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why each contender that may not serve may not, by model name."""
    p_values: Mapping[str, float] = field(default_factory=dict)
    """One-sided paired p-value of each model against the holder of the title, by model name."""
    awaited: tuple[str, ...] = ()
    """Models that compete and were not trained yet when this was decided: the champion is provisional. None where an
    earlier champion continues serving meanwhile."""


def paired_p_value(challenger: Sequence[float], holder: Sequence[float], *, higher_is_better: bool) -> float:
    """Return the one-sided p-value of "the challenger is not better" over the same folds.

    The variance is corrected for the overlap of training sets: with `k` folds, each held-out part is `1/(k-1)`
    as large as what was trained on. Source: Nadeau & Bengio, Machine Learning 2003, 52, 239.

    Parameters
    ----------
    challenger, holder
        `k >= 2` fold scores each, fold by fold.
    higher_is_better
        Direction of the metric.

    Examples
    --------
    >>> round(paired_p_value([0.9, 0.92, 0.91], [0.8, 0.81, 0.83], higher_is_better=True), 3)
    0.01
    >>> paired_p_value([0.5, 0.5], [0.5, 0.5], higher_is_better=True)
    1.0
    """
    if len(challenger) != len(holder) or len(challenger) < 2:
        raise ValueError(f"expected the same two or more folds, got {len(challenger)} and {len(holder)}")
    from scipy.stats import t

    sign = 1.0 if higher_is_better else -1.0
    gains = [sign * (a - b) for a, b in zip(challenger, holder, strict=True)]
    k = len(gains)
    mean = math.fsum(gains) / k
    variance = math.fsum((gain - mean) ** 2 for gain in gains) / (k - 1)
    if variance == 0:
        return 0.0 if mean > 0 else 1.0
    return float(t.sf(mean / math.sqrt(variance * (1 / k + 1 / (k - 1))), df=k - 1))


def decide(
    contenders: Sequence[Candidate],
    holder: Candidate | None,
    rules: SelectionCriteria,
    blocked: Collection[str] = (),
    *,
    awaited: Sequence[str] = (),
    provisional: bool = False,
    costs: Callable[[Sequence[Candidate]], Sequence[Cost]] | None = None,
) -> Election:
    """Choose who serves an endpoint.

    Parameters
    ----------
    contenders
        Every trained model under its present signature, scored on one snapshot. Those whose training failed are
        not among them.
    holder
        The trained model that serves now, as it was scored then; none before the first election.
    rules
        The endpoint's rules.
    blocked
        Signatures that somebody rolled back from: they do not come back by themselves.
    awaited
        Models that compete and are yet to be trained.
    provisional
        Whether the holder was elected while some were: it defends no title.
    costs
        Gives the whole costs of some, asked for where some tie; that of a prediction alone when omitted.

    Returns
    -------
    Election
        With the first champion: the best by the mean over folds; models that tie with it lose to the cheapest of
        them, unless that is less than `cost.SAME_COST` times cheaper. Later: the holder stays unless a challenger wins
        the paired test. When the holder's own recipe or data changed, its successor (the same model under its present
        signature) takes its place first, unless it is significantly worse on the same folds. While models are
        awaited a holder stays, for a late candidate must not find the title given away; where nobody or a provisional
        champion serves, the best of those that are there becomes the provisional one. So the order in which models
        are trained does not change who is elected in the end.
    """
    metric, higher = rules.metric, HIGHER_IS_BETTER[rules.metric]
    refused = {item.model: why for item in contenders if (why := _refusal(item, contenders, rules))}
    away = set(blocked) - ({holder.signature} if holder else set())  # another bundle of the same model may serve
    refused |= {item.model: "somebody put another in its place" for item in contenders if item.signature in away}
    eligible = [item for item in contenders if item.model not in refused]
    eligible.sort(key=lambda item: (-item.mean(metric) if higher else item.mean(metric), item.model))

    def test(one: Candidate, other: Candidate) -> float:
        return paired_p_value(one.folds[metric], other.folds[metric], higher_is_better=higher)

    if holder is None:
        return replace(_first(eligible, refused, rules, test, costs), awaited=tuple(awaited))
    if provisional:
        decision = _first(eligible, refused, rules, test, costs)
        if decision.champion is not None:
            changed = decision.champion.signature != holder.signature
            return replace(decision, changed=changed, awaited=tuple(awaited))
    elif awaited:
        reason = f"{holder.model} stays until every candidate is trained: {', '.join(awaited)} still to come"
        return Election(holder, changed=False, challenger=None, reason=reason, refused=refused)
    if any(item.signature == holder.signature and item.model in refused for item in contenders):
        title, succession = None, ""  # the gates were tightened
    else:
        title, succession = _successor(eligible, holder, rules, test)
    if title is None:
        decision = _first(eligible, refused, rules, test, costs)
        if decision.champion is None:
            reason = f"{holder.model} stays: no contender passes the gates"
            return Election(holder, changed=False, challenger=None, reason=reason, refused=refused)
        lost = refused.get(holder.model) or "it has no successor on the new data"
        reason = f"{holder.model} goes: {lost}; {decision.reason}"
        return replace(decision, changed=True, reason=reason)
    p_values = {item.model: test(item, title) for item in eligible if item is not title}
    winner, reason = title, succession
    for item in eligible:
        if item is not title and p_values[item.model] < rules.alpha:
            winner = item
            reason = (
                f"{item.model} beats {title.model}: {metric} {item.mean(metric):.4g} against {title.mean(metric):.4g}, "
                f"paired p = {p_values[item.model]:.3g} < {rules.alpha:g}"
            )
            break
    challenger = next((item for item in eligible if item.signature != winner.signature), None)
    return Election(winner, winner.signature != holder.signature, challenger, reason, refused, p_values)


def _first(
    eligible: list[Candidate],
    refused: Mapping[str, str],
    rules: SelectionCriteria,
    test: Any,
    costs: Callable[[Sequence[Candidate]], Sequence[Cost]] | None,
) -> Election:
    """Elect among the eligible (best first) without regard to a holder."""
    if not eligible:
        reason = "no champion: no contender passes the gates"
        return Election(None, changed=False, challenger=None, reason=reason, refused=refused)
    best = eligible[0]
    margin = rules.tie_margin * abs(best.mean(rules.metric))
    tied = [
        item
        for item in eligible
        if abs(item.mean(rules.metric) - best.mean(rules.metric)) <= margin and test(best, item) >= rules.alpha
    ] or [best]
    winner, tied_costs = tied[0], [Cost(item.ms_per_molecule) for item in tied]
    if len(tied) > 1:
        tied_costs = list(costs(tied)) if costs else tied_costs
        winner = next(item for item, cheap in zip(tied, cheap_ones(tied_costs), strict=True) if cheap)
    reason = f"{winner.model} has the best {rules.metric} over folds: {winner.mean(rules.metric):.4g}"
    if winner is not best:
        reason = (
            f"{winner.model} ties with {best.model} ({rules.metric} {winner.mean(rules.metric):.4g} against "
            f"{best.mean(rules.metric):.4g}) and is cheaper: {tied_costs[tied.index(winner)]}, "
            f"{best.model} {tied_costs[0]}"
        )
    p_values = {item.model: test(item, winner) for item in eligible if item is not winner}
    challenger = next((item for item in eligible if item is not winner), None)
    return Election(winner, changed=True, challenger=challenger, reason=reason, refused=refused, p_values=p_values)


def _successor(
    eligible: list[Candidate], holder: Candidate, rules: SelectionCriteria, test: Any
) -> tuple[Candidate | None, str]:
    """Say who holds the title before the challengers are heard."""
    heir = next((item for item in eligible if item.model == holder.model), None)
    comparable = bool(eligible) and eligible[0].snapshot == holder.snapshot and rules.metric in holder.folds
    if heir is not None and heir.signature == holder.signature:
        return heir, f"{heir.model} stays: no challenger beats it"
    if heir is not None and not comparable:
        return heir, f"{heir.model} was retrained on new data"
    if heir is not None and test(holder, heir) >= rules.alpha:
        return heir, f"{heir.model} was retrained and is not worse than before"
    if comparable:
        why = "its retrained version is significantly worse" if heir else "its model is no contender any more"
        return holder, f"{holder.model} of {holder.signature[:8]} stays: {why}, and no challenger beats it"
    return None, ""


def _refusal(item: Candidate, contenders: Sequence[Candidate], rules: SelectionCriteria) -> str:
    """Say why a contender may not serve; empty when it may."""
    if item.model == BASELINE:
        return "it is the naive baseline"
    baseline = next((other for other in contenders if other.model == BASELINE), None)
    for metric, mean in rules.unmet({metric: item.mean(metric) for metric in rules.minimum}).items():
        side = "at least" if HIGHER_IS_BETTER[metric] else "at most"
        return f"{metric} {mean:.4g}, expected {side} {rules.minimum[metric]:g}"
    if baseline is not None:
        gain = item.mean(rules.metric) - baseline.mean(rules.metric)
        if (gain if HIGHER_IS_BETTER[rules.metric] else -gain) <= 0:
            return f"{rules.metric} is not better than the naive baseline"
    if item.ms_per_molecule > rules.max_ms_per_molecule:
        return f"{item.ms_per_molecule:.3g} ms per molecule, expected at most {rules.max_ms_per_molecule:g}"
    return ""
