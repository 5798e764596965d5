"""How the steps of a run are executed: each in a process of its own, and what gathers others from those that there are.

Belongs here: choosing the executor, and what a failure within a run stops.
Does not belong here: runs of the automation, which make little each and are judged by it (see `retraining.py`).

Dagster leaves out whatever is below a failure. Of a run of everything, one model that cannot be fitted would take the
leaderboard, the champion and every endpoint's publication along, although each is made from what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.errors import DagsterSubprocessError
from dagster._core.events import EngineEventData
from dagster._core.system_config.objects import ResolvedRunConfig

from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

GATHERS = {"leaderboard": "trained_model", "inference_service": "champion_model"}
"""Kinds of assets that are made from whichever assets of another kind there are."""
INTERRUPTED = "steps_interrupted"
"""By this name Dagster's executors report that they were stopped."""


class GatheringExecutor(dg.Executor):
    """Executes as another executor does, then makes what gathers others from those that there are.

    The run still fails when a step did, and says which.
    """

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        """Whether steps are tried again."""
        return self._inner.retries

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute the plan, and once that is over as much as can be made without what failed.

        An interrupted run ends as it is: nothing is judged without what was cut off.
        """
        needs = execution_plan.get_executable_step_deps()
        made: set[str] = set()
        tried: set[str] = set()
        plan, failure, interrupted = execution_plan, None, False
        while True:
            try:
                for event in self._inner.execute(plan_context, plan):
                    interrupted = interrupted or INTERRUPTED in _metadata(event)
                    if event.step_key and event.is_step_success:
                        made.add(event.step_key)
                    if event.step_key and (event.is_step_success or event.is_step_failure or event.is_step_skipped):
                        tried.add(event.step_key)
                    yield event
            except DagsterSubprocessError as error:
                failure = failure or error
            rest = [] if interrupted else without_what_failed(needs, made, tried)
            if not rest:
                break
            yield dg.DagsterEvent.engine_event(
                plan_context, f"Made from what there is, without what failed: {', '.join(rest)}", EngineEventData()
            )
            job = plan_context.job.get_definition()
            config = ResolvedRunConfig.build(job, plan_context.run_config)
            plan = execution_plan.build_subset_plan(rest, job, config)
        if failure is not None:
            raise failure


def without_what_failed(
    needs: Mapping[str, Collection[str]], made: Collection[str], tried: Collection[str]
) -> Sequence[str]:
    """Find the steps that can still be made: those that gather others, of which one at least is made, and what follows.

    Parameters
    ----------
    needs
        Steps of the run, each with those that are before it, in any order.
    made, tried
        Which of them were made, and which were begun at all.

    Examples
    --------
    >>> needs = {"trained_model__e__rf": [], "trained_model__e__gp": []}
    >>> needs |= {"leaderboard__e": list(needs), "champion_model__e": ["leaderboard__e"]}
    >>> without_what_failed(needs, made=["trained_model__e__rf"], tried=list(needs)[:2])
    ['leaderboard__e', 'champion_model__e']
    >>> without_what_failed(needs, made=[], tried=list(needs)[:2])
    []
    """
    chosen: list[str] = []
    waiting = [step for step in needs if step not in tried]
    while True:
        there = {*made, *chosen}
        more = [step for step in waiting if step not in there and _can_be_made(step, needs[step], there)]
        if not more:
            return chosen
        chosen += more


def _metadata(event: dg.DagsterEvent) -> Collection[str]:
    return event.engine_event_data.metadata if event.is_engine_event else ()


def _can_be_made(step: str, needs: Collection[str], there: Collection[str]) -> bool:
    gathered = GATHERS.get(_kind(step))
    if gathered is None:
        return all(need in there for need in needs)
    return any(need in there for need in needs if _kind(need) == gathered)


def _kind(step: str) -> str:
    return step.partition("__")[0]


def gathering(inner: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """Let an executor continue with what gathers others when something fails."""
    create = inner.executor_creation_fn
    assert create is not None
    return dg.ExecutorDefinition(
        name=inner.name,
        config_schema=inner.config_schema,  # type: ignore[arg-type]  # as Dagster itself passes it on
        requirements=inner.get_requirements,
        executor_creation_fn=lambda context: GatheringExecutor(create(context)),
        description=inner.description,
    )


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """Return what runs the steps: processes of the run's own machine, or a task on ECS for each (see `infra/ecs`)."""
    if settings.executor == "processes":
        return TRAINING_EXECUTOR
    from dagster_aws.ecs import ecs_executor  # only where it runs: it imports boto3

    size = {"cpu": {"env": "AIDRUG_STEP_CPU"}, "memory": {"env": "AIDRUG_STEP_MEMORY"}}
    steps = gathering(ecs_executor)
    return steps.configured({**size, "max_concurrent": 8}, name="ecs")  # trainings: the pool's limit


TRAINING_EXECUTOR = gathering(dg.multiprocess_executor).configured(
    {
        # A step in a process of its own: what kills it (memory, a native crash) fails one model, frees its pool
        # slot and leaves the others be. Forkserver with the slow imports done once: a step then starts in a tenth
        # of the time that a spawned interpreter takes.
        "max_concurrent": 2,
        "start_method": {"forkserver": {"preload_modules": ["dagster", "pandas", "sklearn", "rdkit.Chem", "mlflow"]}},
    }
)
