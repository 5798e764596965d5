"""Whether the best model over folds or the blend does better on a fold that had no part in choosing.

Reads the committed results of the strict board and fits nothing; test rows have no part in it. For every set and every
fold: the best model over the other folds is picked, blend included, and its score on the fold is compared with the
blend's, whose shares were learnt from the other folds as well. Prints the mean gain of the blend per set, as a share of
what it gains on the naive baseline.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from model_zoo.metrics import HIGHER_IS_BETTER

RESULTS = Path(__file__).parent / "results" / "tdc_admet.json"


def main() -> None:
    """Print a line per set, and the count."""
    gains = []
    for entry in json.loads(RESULTS.read_text(encoding="utf-8"))["sets"]:
        metric = entry["metric"]
        sign = 1 if HIGHER_IS_BETTER[metric] else -1
        fit = {item["model"]: item for item in entry["candidates"] if "failed" not in item}
        folds = {name: sign * np.array(item["folds"][metric]) for name, item in fit.items()}
        if entry["board"] != "strict" or "blend" not in folds:
            continue
        naive = folds.pop("naive")
        picked = []
        for fold in range(len(naive)):
            others = np.arange(len(naive)) != fold
            best = max(folds, key=lambda name: float(folds[name][others].mean()))
            picked.append(float(folds[best][fold]))
        blend = float(folds["blend"].mean())
        gain = (blend - float(np.mean(picked))) / abs(blend - float(naive.mean()))
        gains.append(gain)
        print(f"{entry['set']:32} {metric:9} best {sign * np.mean(picked):.4f} blend {sign * blend:.4f} {gain:+.2%}")
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    print(f"{len(gains)} sets: blend better on {better}, worse on {worse}, mean gain {np.mean(gains):+.2%}")


if __name__ == "__main__":
    main()
