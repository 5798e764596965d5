"""The Python client of the service.

Nothing but the standard library is imported::

    from serving.client import Client

    client = Client("http://127.0.0.1:8000")
    for prediction in client.predict(["CCO", "c1ccccc1"]):
        print(prediction.smiles, prediction.endpoints["solubility_logs"].value)
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from serving.client.answers import Champion, Endpoint, Leaderboard, Model, Prediction, Predictions
from serving.client.frames import Progress, bar, silent, texts_of, with_predictions
from serving.client.frames import Shown as show  # noqa: N813  read as a verb: show(frame)
from serving.client.jobs import RESULT_FORMATS, Jobs, listed
from serving.client.measuring import Calibration, Withdrawal
from serving.client.transport import NotReachableError, ServiceError, Transport

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RESULT_FORMATS", "Client", "NotReachableError", "ServiceError", "show"]

BATCH = 200
"""Molecules in one request for predictions; longer lists are cut."""


class Client(Jobs):
    """A client of one service. Safe between threads: it keeps no connection.

    Parameters
    ----------
    url
        Address of the service; `AIDRUG_SERVICE_URL`, else port 8000 of this machine, when omitted.
    api_key
        Key to show; `AIDRUG_API_KEY`, else none, when omitted. The end of line that a file of a key has does not count.
    timeout_seconds
        How long one answer may take to begin or to continue.
    retries
        How often a request is sent again that found the service busy or out of reach. The service says when; what
        changes something is sent again only where that is safe.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, timeout_seconds: float = 60.0, retries: int = 4
    ) -> None:
        address = url or os.environ.get("AIDRUG_SERVICE_URL") or "http://127.0.0.1:8000"
        key = (api_key or os.environ.get("AIDRUG_API_KEY") or "").strip() or None
        self._retries = retries
        self._transport = Transport(address.rstrip("/"), key, timeout_seconds, retries)

    @property
    def url(self) -> str:
        """Address of the service."""
        return self._transport.url

    @property
    def transport(self) -> Transport:
        """What its requests go through."""
        return self._transport

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def predict(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None = None, include: Sequence[str] = ()
    ) -> list[Prediction]:
        """Predict molecules: one prediction per SMILES, in order, a bad one with its `error`.

        For more than a few thousand, `submit` is kinder to the service and survives a broken connection.
        """
        return self._predict(smiles, endpoints, include, silent)

    async def predict_async(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None = None, include: Sequence[str] = ()
    ) -> list[Prediction]:
        """Predict molecules as `predict` does, while other tasks of the event loop continue."""
        return await asyncio.to_thread(self.predict, smiles, endpoints, include)

    def predict_frame(
        self,
        frame: pd.DataFrame,
        smiles: str = "smiles",
        endpoints: Sequence[str] | None = None,
        *,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Predict the molecules of a table.

        Parameters
        ----------
        frame
            Any table; it is not changed.
        smiles
            Its column of SMILES. A row without one has an error, as has one that cannot be read.
        endpoints
            Which endpoints; all that have a champion when omitted.
        progress
            Whether a bar shows the progress, where tqdm is installed.

        Returns
        -------
        pandas.DataFrame
            The table as it was, with `<endpoint>_value`, `_lower`, `_upper` (the interval), `_reliability`,
            `_usual_error`, `_flags` (what to know before believing the value), `error_code`, `error_detail` and
            `prediction_notes` (what was left out of a structure, and why single endpoints have no value); `show` draws
            it in a notebook. A `ValueError` says that a column is missing, or that one of the new ones is there
            already.
        """
        names = () if endpoints is None else listed("endpoints", endpoints)
        different = list(dict.fromkeys(texts := texts_of(frame, smiles)))
        known = dict(zip(different, self._predict(different, endpoints, (), bar if progress else silent), strict=True))
        return with_predictions(frame, [known[text] for text in texts], names)

    async def predict_frame_async(
        self, frame: pd.DataFrame, smiles: str = "smiles", endpoints: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Predict as `predict_frame` does, while other tasks continue."""
        return await asyncio.to_thread(self.predict_frame, frame, smiles, endpoints, progress=False)

    def _predict(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None, include: Sequence[str], progress: Progress
    ) -> list[Prediction]:
        predictions: list[Prediction] = []
        smiles, endpoints = listed("smiles", smiles), None if endpoints is None else listed("endpoints", endpoints)
        parts = [smiles[start : start + BATCH] for start in range(0, len(smiles), BATCH)]
        for part in progress(parts, len(smiles)):
            start = len(predictions)
            body: dict[str, Any] = {"smiles": list(part)}
            if endpoints is not None:
                body["endpoints"] = list(endpoints)
            if include:
                body["include"] = list(include)
            answer = self._transport.read(Predictions, "POST", "/v1/predict", body, again=True)
            predictions += [replace(each, index=start + each.index) for each in answer.predictions]
        return predictions

    def endpoints(self) -> list[Endpoint]:
        """List the endpoints that have a champion."""
        return self._transport.read(list[Endpoint], "GET", "/v1/endpoints", again=True)

    def endpoint(self, endpoint: str) -> Endpoint:
        """Return what an endpoint means, and what serves it."""
        return self._transport.read(Endpoint, "GET", f"/v1/endpoints/{_name(endpoint)}", again=True)

    def models(self) -> list[Model]:
        """List the models that answer now."""
        return self._transport.read(list[Model], "GET", "/v1/models", again=True)

    def champion(self, endpoint: str) -> Champion:
        """Return an endpoint's champion with its card and the champions before it."""
        return self._transport.read(Champion, "GET", f"/v1/champions/{_name(endpoint)}", again=True)

    def leaderboard(self, endpoint: str) -> Leaderboard:
        """Return all trained models of an endpoint, and why one of them serves."""
        return self._transport.read(Leaderboard, "GET", f"/v1/leaderboards/{_name(endpoint)}", again=True)

    def roll_back(self, endpoint: str) -> Champion:
        """Put an endpoint's previous champion back. Never sent twice: that would go back two."""
        return self._transport.read(Champion, "POST", f"/v1/champions/{_name(endpoint)}/rollback")

    def promote(self, endpoint: str) -> Champion:
        """Make the challenger on trial an endpoint's champion."""
        return self._transport.read(Champion, "POST", f"/v1/champions/{_name(endpoint)}/promote")

    def review(self, endpoint: str) -> dict[str, Any]:
        """Return what the live record says of an endpoint's champion: drift, accuracy, coverage, the trial."""
        content: dict[str, Any] = self._transport.json("GET", f"/v1/reviews/{_name(endpoint)}", again=True)
        return content

    def feedback(self, measurements: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Send up to 256 measured values, and return what the service says of each.

        Parameters
        ----------
        measurements
            Each with `smiles`, `endpoint`, `value`, and as you like `unit`, `source`, a `name` that no other one has,
            and the `relation` of a bound: `<` or `>`.
        """
        content: dict[str, Any] = self._transport.json(
            "POST",
            "/v1/feedback",
            {"measurements": list(measurements)},
            again=True,  # under its key it is stored once, however often it arrives
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        return content

    def withdraw(self, endpoint: str, names: Sequence[str]) -> Withdrawal:
        """Take measured values back that were sent under these names, with the same key. Never sent twice.

        What is sent again would find none of them.
        """
        body = {"endpoint": endpoint, "names": list(names)}
        return self._transport.read(Withdrawal, "POST", "/v1/feedback/withdraw", body)

    def calibration(self, endpoint: str) -> Calibration:
        """Return what measured values did to an endpoint's intervals."""
        return self._transport.read(Calibration, "GET", f"/v1/calibrations/{_name(endpoint)}", again=True)

    def calibrate(
        self, endpoint: str, *, active: bool = True, since: float = 0.0, without: Sequence[str] = ()
    ) -> Calibration:
        """Decide which measured values count from now on; this replaces the earlier decision as a whole.

        Parameters
        ----------
        active
            Whether any do; else the model's own intervals are given.
        since
            Values from before do not count; seconds since 1970.
        without
            Ids of keys whose values do not count.
        """
        body = {"active": active, "since": since, "without": list(without)}
        return self._transport.read(Calibration, "POST", f"/v1/calibrations/{_name(endpoint)}", body, again=True)


def _name(endpoint: str) -> str:
    return quote(endpoint, safe="")
