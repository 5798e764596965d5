"""The texts for language models, so that they claim of a value only what is known."""

from __future__ import annotations

from typing import Any

from model_zoo.type_aliases import Json

INSTRUCTIONS = """\
Predictions of molecular properties by models that were trained on measured values, each with what is known of its
error. Use list_endpoints first: it says what can be predicted, in which unit, and how wrong a model is on molecules it
had not seen. When you report a value, always report its interval and unit with it: it holds for 90 % of molecules like
the training data, less often for others and for values of another laboratory, so do not promise 90 %. Report
`usual_error` too: how wrong the model was on average about molecules of that `reliability`. Where that is "low", say
that the value is a guess, and look at nearest_measured instead. Never call two molecules different when compare says
that their intervals overlap. A measured value beats a predicted one. Values are predictions by statistics, not
measurements, and no statement about safety. Structures are SMILES. A molecule with an `error` has no value: say so, and
do not guess one."""

LIST_ENDPOINTS = """\
List what can be predicted: name, meaning, unit, which values are better (`desirable`, a range that the project wants,
before `direction`), and how good the present model is.
`quality.test` is the error (or score) by `quality.metric` on molecules that the model never saw; of an error, a typical
prediction is that wrong. Call this before predicting, and use only names that it gives."""
PREDICT = """\
Predict properties of up to 50 molecules given as SMILES. Every value comes with `interval` (for 90 % of molecules
like the training data), `unit`, `reliability` ("high", "medium", "low"), `usual_error` (the model's mean absolute
error at that level; absent where none is known), `domain` ("outside" where reliability is low) and `cautions`. Report
the interval with the value and repeat every caution. `labels_not_excluded` with two labels means that the model cannot
decide. A molecule with `error` has no prediction."""
EXPLAIN = """\
Return which atoms of one molecule move a prediction up or down, by the model. It explains the model, not the chemistry:
do not present it as a mechanism. Atoms are numbered as in `standardised`. Takes seconds; at most 70 heavy atoms."""
NEAREST = """\
Find the most similar molecules with measured values for a property. These are measurements: prefer them to predictions,
above all when similarity is above 0.7 or reliability is low. `relation` "<" or ">" means that the
value is only a bound."""
COMPARE = """\
Compare 2 to 20 molecules by one property. `order` has the better first: by the range that the project wants, else by
predicted value; `direction` says which. `distinguishable` says of each neighbouring pair in that order whether their
intervals are apart; where it is false, say that the models cannot decide which is better. Within a range that is wanted
all values are as good."""
SUBMIT = """\
Predict more molecules than predict takes, as a job that runs in the background: up to 10,000 SMILES. Returns a job id;
read it with read_job."""
READ = """\
Return how far a job is, and a page of its rows once they are done. Rows have the same meaning as in predict."""
REPORT = """\
Report a value that was measured in a laboratory: predictions are compared with it, and intervals follow it; no model is
trained on it automatically. Never report a predicted, guessed or remembered value. Needs the endpoint's own unit. The
same report sent twice is stored once."""

_LOW = "low reliability: unlike the training molecules, or the model is often wrong there; take it as a guess"
_FAR = "larger or otherwise unlike all measured molecules: the error is not known; take it as a guess"


def summarise(entry: dict[str, Json]) -> dict[str, Json]:
    """Shorten an entry of the service's answer to what should be said of it, with cautions in words."""
    if "error" in entry:
        return {"smiles": entry["smiles"], "error": entry["error"]}
    summary: dict[str, Any] = {"smiles": entry["smiles"], "predictions": {}}
    for name, each in entry["endpoints"].items():
        summary["standardised"] = each["standardised"]
        cautions = []
        if each["domain"] == "outside":
            cautions.append(_FAR if each.get("reliability") and each.get("usual_error") is None else _LOW)
        if each["provisional"]:
            cautions.append("provisional model: a better one may serve soon, and the value may change")
        if each["no_interval"]:
            cautions.append(f"no interval: {each['no_interval']}")
        kept = ("value", "unit", "interval", "reliability", "usual_error", "usual_error_unit", "domain", "similarity",
                "percentile", "label", "display_value", "display_interval", "display_unit")  # fmt: skip
        summary["predictions"][name] = {key: each[key] for key in kept if each.get(key) is not None}
        if each.get("prediction_set") is not None:
            summary["predictions"][name]["labels_not_excluded"] = each["prediction_set"]
            if len(each["prediction_set"]) != 1:
                cautions.append("the model cannot distinguish the classes for this molecule at 90 %")
        summary["predictions"][name] |= {"cautions": cautions, "champion": each["champion"]}
    if "failed" in entry:
        summary["failed"] = entry["failed"]
    if "notes" in entry:
        summary["notes"] = [note["detail"] for note in entry["notes"]]
    return summary
