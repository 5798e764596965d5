"""The process that does chemistry: it answers what comes through its stdin, until nobody holds the other end.

Started as `python -m serving.inference.chemistry_worker` by `chemistry_process.py`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

from msgspec import Struct
from rdkit import Chem

from model_zoo.chemistry.molecules import Limits, Molecule, Standardise
from model_zoo.inference.chemistry import Chemistry
from serving.inference.chemistry_messages import (
    REQUESTS,
    Atoms,
    Raised,
    Readings,
    RefusedText,
    Request,
    Rows,
    Texts,
    UnderstoodText,
    receive,
    send,
)
from serving.inference.priority import give_way

ALONE_S = 7200.0
"""Processor time of one request after which the system ends the process, should it hold the interpreter that long."""
LOOK_S = 1.0


def _answer(request: Request, read: dict[str, Molecule]) -> Readings | Rows:
    """Do what is asked, here; `read` holds the molecules of the present batch."""
    if isinstance(request, Texts):
        read.clear()
        outcomes = Chemistry().read(
            request.texts, (Standardise(**request.options), request.version), Limits(*request.limits)
        )
        read.update((each.smiles, each) for each in outcomes if isinstance(each, Molecule))
        return Readings(
            [
                UnderstoodText(each.smiles, each.notes, each.mark) if isinstance(each, Molecule) else RefusedText(*each)
                for each in outcomes
            ]
        )
    if isinstance(request, Atoms):
        molecule = Molecule(request.smiles, Chem.MolFromSmiles(request.smiles))
        arrays = [rows.array() for rows in request.arrays]
        return Rows.of(getattr(Chemistry(), request.what)(request.name, molecule, *arrays))
    molecules = [read.get(smiles) or Molecule(smiles, Chem.MolFromSmiles(smiles)) for smiles in request.smiles]
    return Rows.of(getattr(Chemistry(), request.what)(*request.by, molecules))


def _end_with(parent: int) -> None:
    """End this process in the middle of a request when nobody is left to read the answer."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


def _work() -> None:
    """Answer what comes through stdin, until nobody holds its other end."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    # A terminal and a supervisor signal a whole group: the service still answers what it has begun, and then ends this.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    give_way()
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent", daemon=True).start()
    read: dict[str, Molecule] = {}
    send(answers, 0, Readings([]))
    with suppress(OSError):  # nobody is there to read the answer
        while (received := receive(requests)) is not None:
            signal.setitimer(signal.ITIMER_PROF, ALONE_S)  # kills it even where the interpreter is held
            try:
                answer: Struct = _answer(REQUESTS.decode(received[1]), read)
            except Exception as error:  # noqa: BLE001  RDKit raises what it likes; the service says what becomes of it
                answer = Raised(type(error).__name__)
            send(answers, received[0], answer)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit("the service starts this process, and speaks to it through stdin: expected no arguments")
    _work()
