"""Predictions for a table in memory, and how they look in a notebook.

pandas, and RDKit for pictures, are imported when they are needed: the rest of the client does without.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from serving.client.answers import Prediction

if TYPE_CHECKING:
    import pandas as pd

PICTURE = (220, 150)
MOST_SHOWN = 50


class Progress(Protocol):
    """Yields what it is given, and shows how far it is."""

    def __call__(self, parts: Sequence[Sequence[str]], total: int) -> Iterable[Sequence[str]]:
        """Return the parts of a list of so many texts."""


def silent(parts: Sequence[Sequence[str]], total: int) -> Iterable[Sequence[str]]:
    """Show nothing."""
    return parts


def bar(parts: Sequence[Sequence[str]], total: int) -> Iterable[Sequence[str]]:
    """Draw a progress bar where tqdm is installed: in notebooks as well as on terminals."""
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        yield from parts
        return
    with tqdm(total=total, unit="molecule") as drawn:
        for part in parts:
            yield part
            drawn.update(len(part))


def texts_of(frame: pd.DataFrame, smiles: str) -> list[str]:
    """Return the SMILES of each row; an empty text where there is none, and whatever else it is as it is printed.

    Raises
    ------
    ValueError
        When there is no such column, or several.
    """
    found = [str(name) for name in frame.columns if name == smiles]
    if len(found) != 1:
        raise ValueError(f"expected one column named {smiles!r}, got {len(found)} among {list(frame.columns)}")
    column = frame[smiles]
    return ["" if gone else str(cell) for cell, gone in zip(column.tolist(), column.isna().tolist(), strict=True)]


def with_predictions(
    frame: pd.DataFrame, predictions: Sequence[Prediction], endpoints: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a copy of a table with columns beside its own; index and columns stay as they were.

    `endpoints` have columns even if no molecule has a value, so that tables of one kind can be joined.

    Raises
    ------
    ValueError
        When it has a column of one of these names already.
    """
    import pandas as pd

    names = dict.fromkeys([*endpoints, *(name for each in predictions for name in (*each.endpoints, *each.failed))])
    made: dict[str, list[Any]] = {}
    for name in names:
        estimates = [each.endpoints.get(name) for each in predictions]
        made[f"{name}_value"] = [None if one is None else one.value for one in estimates]
        made[f"{name}_lower"] = [None if one is None or one.interval is None else one.interval[0] for one in estimates]
        made[f"{name}_upper"] = [None if one is None or one.interval is None else one.interval[1] for one in estimates]
        made[f"{name}_reliability"] = [None if one is None else one.reliability for one in estimates]
        made[f"{name}_usual_error"] = [None if one is None else one.usual_error for one in estimates]
        made[f"{name}_flags"] = [flags(each, name) for each in predictions]
    made["error_code"] = [None if each.error is None else each.error.code for each in predictions]
    made["error_detail"] = [None if each.error is None else each.error.detail for each in predictions]
    made["prediction_notes"] = [notes(each) for each in predictions]  # many tables have notes of their own
    if taken := [name for name in made if name in frame.columns]:
        raise ValueError(f"the table has columns {', '.join(taken)} already: rename them, or drop them first")
    numbers = {name for name in made if name.endswith(("_value", "_lower", "_upper", "_usual_error"))}
    added = pd.DataFrame(
        {name: pd.Series(cells, dtype="float64" if name in numbers else "object") for name, cells in made.items()}
    ).set_axis(frame.index)
    return pd.concat([frame, added], axis=1)


def flags(prediction: Prediction, endpoint: str) -> str:
    """Say what a reader should know before believing a value; empty where there is nothing.

    Examples
    --------
    >>> flags(Prediction(0, "CCO"), "logp")
    'no value'
    """
    estimate = prediction.endpoints.get(endpoint)
    if estimate is None:
        return "no value"
    found = []
    if estimate.reliability == "low":
        found.append("low reliability")
    elif estimate.reliability is None and vars(estimate)["domain"] == "outside":  # all that such champions say
        found.append("outside the domain")
    if estimate.provisional:
        found.append("provisional model")
    if estimate.interval is None and estimate.label is None:
        found.append("no interval")
    if estimate.prediction_set is not None and len(estimate.prediction_set) != 1:
        found.append("cannot tell" if estimate.prediction_set else "unlike both classes")
    return "; ".join(found)


def notes(prediction: Prediction) -> str | None:
    """Say what was left out of a structure, and why single endpoints have no value, as a job's result does.

    Examples
    --------
    >>> from serving.client.answers import MoleculeError, Note
    >>> salt = Note("component-left-out", "left out: Cl")
    >>> notes(Prediction(0, "CCN.Cl", notes=[salt], failed={"logp": MoleculeError("timeout", "too slow")}))
    'left out: Cl; logp: too slow'
    """
    told = [note.detail for note in prediction.notes]
    for name, fault in prediction.failed.items():
        told.append(fault.detail if name in fault.detail else f"{name}: {fault.detail}")
    read = {name: each.standardised for name, each in prediction.endpoints.items()}
    first = next(iter(read.values()), None)
    told += [f"{name}: predicted as {smiles}" for name, smiles in read.items() if smiles != first]
    return "; ".join(told) or None


class Shown:
    """A table with a picture per molecule, as notebooks draw it."""

    def __init__(self, frame: pd.DataFrame, smiles: str = "smiles") -> None:
        self._frame, self._smiles = frame.head(MOST_SHOWN), smiles

    def _repr_html_(self) -> str:
        """Return HTML: every cell is text, whatever it holds, but for our pictures."""
        names = ["", *map(str, self._frame.columns)]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        rows = "".join(
            f"<tr><td>{_picture(text)}</td>{''.join(f'<td>{html.escape(_written(cell))}</td>' for cell in cells)}</tr>"
            for text, cells in zip(
                texts_of(self._frame, self._smiles), self._frame.itertuples(index=False, name=None), strict=True
            )
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _written(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else "" if cell is None else str(cell)


def _picture(text: str) -> str:
    from rdkit import Chem, rdBase
    from rdkit.Chem.Draw import rdMolDraw2D

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text) if text else None
    if mol is None:
        return ""
    drawing = rdMolDraw2D.MolDraw2DSVG(*PICTURE)
    rdMolDraw2D.PrepareAndDrawMolecule(drawing, mol)
    drawing.FinishDrawing()
    svg: str = drawing.GetDrawingText()
    return svg[svg.index("<svg") :]
