"""Pictures and tables that people look at in the Dagster UI."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from model_zoo.monitoring.review import Week
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, PALE = "#1f2933", "#0f766e", "#9aa5b1"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """Return a Markdown table; numbers are shortened to four digits."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def parity_plot(expected: NDArray[np.float64], predicted: NDArray[np.float64], unit: str) -> dg.MarkdownMetadataValue:
    """Plot out-of-fold predictions against measurements, `n` each, in the endpoint's unit."""

    def draw(axes: Axes) -> None:
        low, high = float(min(expected.min(), predicted.min())), float(max(expected.max(), predicted.max()))
        axes.plot([low, high], [low, high], color=PALE, linewidth=1)
        axes.scatter(expected, predicted, s=7, alpha=0.45, color=ACCENT, linewidths=0)
        axes.set(xlabel=f"measured ({unit})", ylabel=f"predicted ({unit})", title="Out-of-fold predictions")
        axes.set_aspect("equal", adjustable="box")

    return _picture(draw)


def roc_plot(expected: NDArray[np.float64], predicted: NDArray[np.float64]) -> dg.MarkdownMetadataValue:
    """Plot the ROC curve of out-of-fold probabilities, `n` labels and `n` probabilities."""
    from sklearn.metrics import roc_curve

    def draw(axes: Axes) -> None:
        false_positive, true_positive, _ = roc_curve(expected, predicted)
        axes.plot([0, 1], [0, 1], color=PALE, linewidth=1)
        axes.plot(false_positive, true_positive, color=ACCENT, linewidth=1.6)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title="Out-of-fold ROC curve")
        axes.set_aspect("equal", adjustable="box")

    return _picture(draw)


def histogram(values: NDArray[np.float64], unit: str) -> dg.MarkdownMetadataValue:
    """Plot how the `n` measured values are distributed."""

    def draw(axes: Axes) -> None:
        axes.hist(values, bins=min(40, max(2, len(np.unique(values)))), color=ACCENT)
        axes.set(xlabel=unit, ylabel="molecules", title="Measured values")

    return _picture(draw)


def fold_plot(names: Sequence[str], folds: Sequence[Sequence[float]], metric: str) -> dg.MarkdownMetadataValue:
    """Plot every model's fold scores side by side, best model first as given."""

    def draw(axes: Axes) -> None:
        for position, scores in enumerate(folds):
            axes.scatter([position] * len(scores), scores, s=22, color=ACCENT, alpha=0.6, linewidths=0)
            axes.hlines(float(np.mean(scores)), position - 0.25, position + 0.25, color=INK)
        axes.set_xticks(range(len(names)), names)
        axes.set(ylabel=metric, title="Scores per fold, line at the mean")

    return _picture(draw)


def weekly_plot(weeks: Sequence[Week], metric: str) -> dg.MarkdownMetadataValue:
    """Plot predictions per week as bars, and the live loss per week, where anything was measured, as a line."""

    def draw(axes: Axes) -> None:
        positions = range(len(weeks))
        axes.bar(positions, [week.predictions for week in weeks], color=PALE, width=0.7)
        names = [time.strftime("%d %b", time.gmtime(week.start)) for week in weeks]
        axes.set_xticks(positions, names, rotation=45 if len(weeks) > 6 else 0)
        axes.set(ylabel="predictions", title=f"Use, and live {metric}, by week")
        measured = [(position, week.loss) for position, week in enumerate(weeks) if week.loss is not None]
        if measured:
            twin = axes.twinx()
            twin.plot(*zip(*measured, strict=True), color=ACCENT, marker="o", markersize=4)
            twin.set(ylabel=f"live {metric}", ylim=(0, None))

    return _picture(draw)


def _picture(draw: Any) -> dg.MarkdownMetadataValue:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.8), dpi=96, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    draw(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
