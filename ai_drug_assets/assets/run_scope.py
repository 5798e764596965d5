"""Which assets the run of this process is to make: its definitions need no others.

Belongs here: finding that out while the definitions are loaded.
Does not belong here: assembling them (see `definitions.py`), asking for runs (see `automation.py`).

Dagster loads the definitions in the process of a run, and again in that of each step, before it says which assets are
wanted; of 300 endpoints that costs more than the work. The arguments that a process was started with know it. A process
that Dagster starts in another way loads everything.
"""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg


def assets_of_run() -> frozenset[str] | None:
    """Return the assets that this process makes, as `step_name` names them; none when it may be any."""
    for argument in getattr(multiprocessing.current_process(), "_args", ()):
        found = _of_run(argument) if isinstance(argument, str) else _of_step(argument)
        if found is not None:
            return found
    return None


def step_name(key: str) -> str:
    """Return the name of the step that makes the asset of a catalog key.

    Examples
    --------
    >>> step_name("trained_model/solubility_logs/rf")
    'trained_model__solubility_logs__rf'
    """
    return key.replace("/", "__")


def _of_run(argument: str) -> frozenset[str] | None:
    """Read the arguments of a run's process: which run, on which instance."""
    from dagster import DagsterInstance
    from dagster._grpc.types import ExecuteExternalJobArgs
    from dagster._serdes import deserialize_value

    try:
        arguments = deserialize_value(argument, ExecuteExternalJobArgs)
    except Exception:  # noqa: BLE001  another text: whatever is wrong with it, all is loaded
        return None
    if arguments.instance_ref is None:
        return None
    with DagsterInstance.from_ref(arguments.instance_ref) as instance:
        run = instance.get_run_by_id(arguments.run_id)
    return _selected(run)


def _of_step(argument: Any) -> frozenset[str] | None:
    """Read the arguments of a step's process. In a run of everything it is one asset, and the job has only that."""
    run, step = getattr(argument, "dagster_run", None), getattr(argument, "step_key", None)
    if run is None or step is None:
        return None
    everything = run.asset_selection is None and run.op_selection is None
    return frozenset([step]) if everything else _selected(run)


def _selected(run: dg.DagsterRun | None) -> frozenset[str] | None:
    if run is None or run.asset_selection is None or run.asset_check_selection:
        return None
    return frozenset("__".join(key.path) for key in run.asset_selection)
