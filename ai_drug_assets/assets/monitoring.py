"""`monitoring/<endpoint>`: how an endpoint's champion does in use, and whether its challenger does better.

It is no asset of the catalog: it is observed from use, not made from code, configuration and data, and so it is never
stale and never missing, in the UI as in the plan. It has a group of its own: it looks at what the service serves, and
in the group of its endpoint it would close a circle.
Live measurements can promote a challenger on trial; they never change a score of the leaderboard.
"""

import json
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

import dagster as dg
from model_zoo.bundles.card import Performance
from model_zoo.bundles.manifest import FILE, Manifest, parse_manifest
from model_zoo.bundles.store import Current, Pointer, parse_pointer, read_card
from model_zoo.config.endpoint import Endpoint
from model_zoo.data.units import unit_name
from model_zoo.io.digests import json_digest
from model_zoo.io.files import atomic_write
from model_zoo.monitoring.prediction_log import PredictionLog, same_unit
from model_zoo.monitoring.review import FEWEST, Review, for_training, review
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signed_code import sign
from model_zoo.training.scales import scale_words
from model_zoo.type_aliases import Json

from ai_drug_assets import keys
from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import DEFAULT_OWNERS
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.operations.rollback import tell_registry
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE
from ai_drug_assets.tracking import Tracking

KIND = "monitoring"
PROMOTED_BY = "monitoring"
MOST_OUTSIDE = 0.25
"""Ten per cent of the training molecules were of low reliability by construction, which counts as outside."""
MOST_DRIFT = 0.25
MOST_LOSS_RATIO = 1.25
"""Live loss, at the low end of its interval, over the loss in cross-validation."""
LEAST_COVERAGE = 0.85
"""Of the 90 % intervals, at the high end of its own interval."""


def monitoring(asset_context: AssetContext, endpoint: Endpoint) -> dg.AssetsDefinition:
    """Make the asset."""
    key = dg.AssetKey([KIND, endpoint.name])
    code = sign(Makers(("review",)), asset_context.settings.code_root)["code"]
    checks = {
        "inside_domain": f"At most {MOST_OUTSIDE:.0%} of the latest week's molecules lie outside the domain.",
        "no_drift": f"The latest week's predictions are spread like those before: stability index <= {MOST_DRIFT:g}.",
        "accuracy_holds": f"Live loss is at most {MOST_LOSS_RATIO:g} times that of cross-validation.",
        "coverage_holds": f"At least {LEAST_COVERAGE:.0%} of measured values are in the 90 % intervals.",
        "champion_holds": "No challenger on trial is better on the same measured molecules.",
    }

    spec = dg.AssetSpec(
        key,
        deps=[keys.asset_key(INFERENCE_SERVICE)],
        code_version=json_digest(dict(code))[:16],
        group_name=keys.MONITORING,
        owners=list(endpoint.owners or DEFAULT_OWNERS),
        kinds=keys.KINDS[KIND],
        description=f"{endpoint.title} in use: drift, live accuracy and coverage, champion against challenger.",
    )

    # Or the log of a code location gets a warning per endpoint, each time that it is loaded.
    warnings.filterwarnings("ignore", message=".*multi_observable_source_asset.*beta.*")

    @dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
        name=f"{KIND}__{endpoint.name}",
        specs=[spec],
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in checks.items()],
    )
    def _asset(context: dg.AssetExecutionContext, tracking: dg.ResourceParam[Tracking]) -> dg.ObserveResult:
        now = parse_pointer(asset_context.store.read_pointer_bytes()).endpoints.get(endpoint.name)
        if now is None:
            why = "no champion is in service yet"
            unused = _results(key, checks, {}, why)
            return dg.ObserveResult(asset_key=key, metadata={"champion": "none"}, check_results=unused)
        card = read_card(asset_context.store, endpoint.name, now.version)
        made, scale = _review(asset_context, endpoint, now)
        reviews = asset_context.settings.folder("service", "reviews")
        atomic_write(reviews / f"{endpoint.name}.json", json.dumps({**made.as_json(), "scale": scale}).encode())
        expected = _expected(card.scores, endpoint, made.metric)
        promoted = _promote(asset_context, tracking, endpoint, made)
        few = f"fewer than {FEWEST} molecules: nothing is concluded"
        return dg.ObserveResult(
            asset_key=key,
            metadata=_metadata(made, expected, promoted, scale),
            check_results=_results(key, checks, _verdicts(made, expected), few),
        )

    asset: dg.AssetsDefinition = _asset
    return asset


def _expected(scores: Performance, endpoint: Endpoint, metric: str) -> float | None:
    """Return the mean over folds on the scale that decides; none where an older card does not state it."""
    known = scores.cv if scores.scale == endpoint.scale else None
    if endpoint.scale in scores.scales:
        known = scores.scales[endpoint.scale].cv
    return known[metric].mean if known is not None and metric in known else None


def _review(asset_context: AssetContext, endpoint: Endpoint, now: Current) -> tuple[Review, str]:
    """Review the champion; say on which scale its losses are."""
    with closing(PredictionLog(asset_context.settings.home / "service")) as record:
        predictions, measurements = list(record.predictions(endpoint.name)), record.measurements(endpoint.name)
        without = record.decision(endpoint.name).without

    def manifest(version: str) -> Manifest:
        content = asset_context.store.read_manifest_bytes(endpoint.name, version)
        return parse_manifest(content, f"{endpoint.name}/{version}/{FILE}")

    # What the versions predict in, and not what is configured: a unit that has just changed is in no bundle yet.
    mine = manifest(now.version)
    measurements = [row for row in measurements if same_unit(row, mine.unit) and row.caller not in without]
    challenger = now.challenger.version if now.challenger else None
    if challenger is not None and unit_name(manifest(challenger).unit) != unit_name(mine.unit):
        predictions = [row for row in predictions if row.version != challenger]
    if endpoint.scale == "training":
        predictions, measurements = for_training(mine.target, predictions, measurements)
    made = review(endpoint.name, endpoint.task, now.version, predictions, measurements, challenger)
    return made, scale_words(endpoint.scale, mine.target, mine.unit)


def _promote(asset_context: AssetContext, tracking: Tracking, endpoint: Endpoint, made: Review) -> str | None:
    """Promote a challenger that won, where the endpoint says so; give its version."""
    verdict, trial = made.verdict, endpoint.trial
    if verdict is None or trial is None or trial.promote != "automatic" or verdict.outcome != "challenger better":
        return None

    def change(before: Pointer) -> Pointer:
        """Promote whom the verdict is about, and nobody who came in between."""
        found = before.endpoints.get(endpoint.name)
        judged = (made.version, verdict.challenger)
        if found is None or found.challenger is None or (found.version, found.challenger.version) != judged:
            return before
        return before.promote(endpoint.name, by=PROMOTED_BY)

    pointer = asset_context.store.update_pointer(change)
    if pointer.endpoints[endpoint.name].version != verdict.challenger:
        return None
    tell_registry(tracking, asset_context.store, endpoint.name, verdict.challenger)
    return verdict.challenger


def _results(
    key: dg.AssetKey, names: Iterable[str], verdicts: Mapping[str, tuple[bool, str]], otherwise: str
) -> list[dg.AssetCheckResult]:
    results = []
    for name in names:
        passed, why = verdicts.get(name, (True, otherwise))
        results.append(
            dg.AssetCheckResult(
                check_name=name,
                asset_key=key,
                passed=passed,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"why": why},
            )
        )
    return results


def _verdicts(made: Review, expected: float | None) -> dict[str, tuple[bool, str]]:
    """Say of each check that something can be said of whether it passes, and why."""
    accuracy, enough = made.accuracy, made.accuracy.molecules >= FEWEST
    result = {"champion_holds": (True, "no challenger is on trial")}
    if made.outside is not None and made.latest >= FEWEST:
        why = f"{made.outside:.0%} of {made.latest} molecules lie outside"
        result["inside_domain"] = (made.outside <= MOST_OUTSIDE, why)
    if made.drift is not None:
        result["no_drift"] = (made.drift <= MOST_DRIFT, f"stability index {made.drift:.3g}")
    if enough and accuracy.loss_low is not None and expected:
        ratio = accuracy.loss_low / expected
        why = f"{made.metric} {accuracy.loss:.3g} live against {expected:.3g}; low end {ratio:.2f} times"
        result["accuracy_holds"] = (ratio <= MOST_LOSS_RATIO, why)
    if enough and accuracy.coverage is not None and accuracy.coverage_high is not None:
        why = f"{accuracy.coverage:.0%} of {accuracy.molecules} inside, at best {accuracy.coverage_high:.0%}"
        result["coverage_holds"] = (accuracy.coverage_high >= LEAST_COVERAGE, why)
    if made.verdict is not None:
        why = f"{made.verdict.challenger}: {made.verdict.outcome} on {made.verdict.molecules} measured molecules"
        result["champion_holds"] = (made.verdict.outcome != "challenger better", why)
    return result


def _metadata(made: Review, expected: float | None, promoted: str | None, scale: str) -> dict[str, Json]:
    accuracy = made.accuracy
    rows = [
        ("predictions", made.predictions),
        ("molecules", made.molecules),
        ("outside the domain, latest week", _shown(made.outside)),
        ("stability index, latest week", _shown(made.drift)),
        ("measured molecules", accuracy.molecules),
        ("measured, but perhaps learnt from", accuracy.seen),
        ("scale of losses", scale),
        (f"live {made.metric}", _shown(accuracy.loss, accuracy.loss_low, accuracy.loss_high)),
        (f"{made.metric} in cross-validation", _shown(expected)),
        ("coverage of 90 % intervals", _shown(accuracy.coverage, accuracy.coverage_low, accuracy.coverage_high)),
    ]
    metadata: dict[str, Any] = {
        "champion": made.version,
        "promoted": promoted or "nobody",
        "review": plots.markdown_table(("what", "value (95 % interval)"), rows),
    }
    if made.verdict is not None:
        verdict = made.verdict
        metadata["trial"] = plots.markdown_table(
            ("challenger", "molecules", f"gain in {made.metric} (95 % interval)", "verdict"),
            [
                (
                    verdict.challenger,
                    verdict.molecules,
                    _shown(verdict.gain, verdict.low, verdict.high),
                    verdict.outcome,
                )
            ],
        )
    if made.weeks:
        metadata["weeks"] = plots.weekly_plot(made.weeks, made.metric)
    return metadata


def _shown(value: float | None, low: float | None = None, high: float | None = None) -> str:
    if value is None:
        return "too few"
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} ({low:.3g} to {high:.3g})"
