"""The one file of the submitting side that asks Modal's servers.

Every question is bounded: the SDK by itself retries an unreachable server for nearly a minute.
"""

import asyncio
import builtins
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tmgg.errors import QueryError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.modal.app import AppPlan, build_app, plan_app
from tmgg.experiment_utils.cloud.modal.bounded import within
from tmgg.experiment_utils.cloud.modal.claims import Claims
from tmgg.experiment_utils.cloud.modal.config import LONGEST_TIMEOUT_S, MARGIN_S, ModalConfig
from tmgg.experiment_utils.cloud.modal.outcomes import answer_of, is_not_found, refusal, sdk_errors
from tmgg.experiment_utils.cloud.modal.parcel import Parcel
from tmgg.experiment_utils.extras import require

log = logging.getLogger(__name__)

ASK_WITHIN_S = 20.0
ASKED_AT_ONCE = 32
# Building an image with a CUDA build of torch takes minutes.
DEPLOY_WITHIN_S = 3600.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class CallView(JobView):
    """What Modal says of a call that returned, with what it returned."""

    returned: object = field(default=None, repr=False)


class ModalCalls:
    """Deploys, spawns, asks and cancels. The SDK is imported when it is first used."""

    def __init__(self, environment: str | None = None) -> None:
        self._environment = environment
        self._functions: dict[tuple[str, str], Any] = {}
        self._plans: dict[str, AppPlan] = {}
        self._started: set[str] = set()

    def deploy(self, config: ModalConfig) -> AppPlan:
        """Make sure that the app for these options is there; takes minutes when its image is new.

        Raises ConfigError, MissingExtraError, BackendUnavailableError, or SubmissionError for what
        Modal refuses.
        """
        _sdk()
        plan = self._plan(config)
        key = (plan.app_name, plan.function_name)
        if key not in self._functions:
            try:
                self._functions[key] = within(DEPLOY_WITHIN_S, self._deployed(plan))
            except sdk_errors() as error:
                raise refusal(f"the app {plan.app_name} could not be deployed", error) from error
        return plan

    def _plan(self, config: ModalConfig) -> AppPlan:
        if repr(config) not in self._plans:
            self._plans[repr(config)] = plan_app(config)
        return self._plans[repr(config)]

    def spawn(self, config: ModalConfig, parcel: Parcel, *, timeout_s: int | None) -> str:
        """Hand a run over; its call's id.

        Raises SubmissionUnknownError when Modal may have taken it, SubmissionError or
        BackendUnavailableError when it has not.
        """
        plan = self.deploy(config)
        function = self._functions[plan.app_name, plan.function_name]
        bound = function.with_options(**_options(config, timeout_s, self._environment))
        try:
            within(config.submit_timeout_s, bound.hydrate.aio())
        except sdk_errors() as error:
            raise refusal("Modal did not take the options of the run", error) from error
        try:
            call = within(config.submit_timeout_s, bound.spawn.aio(parcel.to_plain()))
        except sdk_errors() as error:
            refused = refusal("Modal did not take the run", error)
            if not isinstance(refused, QueryError):
                raise refused from error
            raise SubmissionUnknownError(
                f"Modal did not answer when the run was submitted ({error or type(error)}). TMGG "
                "does not know yet whether Modal took the run. Do not submit it again before "
                f"`tmgg-jobs show {parcel.task['run_id']}` says so."
            ) from error
        return str(call.object_id)

    def view(self, call_ids: Sequence[str]) -> dict[str, JobView | None]:
        """What Modal says of each call; None where it did not answer in time."""
        _sdk()
        return within(2 * ASK_WITHIN_S, self._view(call_ids))

    def cancel(self, call_ids: Sequence[str]) -> None:
        """Ask Modal to end calls; raises QueryError when it does not answer."""

        async def cancel() -> None:
            for call_id in call_ids:
                try:
                    await _sdk().FunctionCall.from_id(call_id).cancel.aio()
                except sdk_errors() as error:
                    if not is_not_found(error):
                        raise

        self._ask(cancel(), "whether the run was cancelled")

    def owner(self, token: str) -> str | None:
        """The call that began a submission; raises QueryError when Modal does not answer."""
        return self._ask(Claims(self._environment).owner(token), "who runs the submission")

    def forbid(self, token: str) -> str | None:
        """See Claims.forbid; raises QueryError when Modal does not answer."""
        return self._ask(Claims(self._environment).forbid(token), "whether the run has begun")

    def _ask(self, question: Coroutine[Any, Any, _Answer], what: str) -> _Answer:
        try:
            return within(ASK_WITHIN_S, question)
        except sdk_errors() as error:
            raise refusal(f"Modal does not tell {what}", error) from error

    async def _deployed(self, plan: AppPlan) -> Any:
        function = _sdk().Function.from_name(
            plan.app_name, plan.function_name, environment_name=self._environment
        )
        try:
            return await function.hydrate.aio()
        except sdk_errors() as error:
            if not is_not_found(error):
                raise
        log.info("deploying the Modal app %s; minutes when its image is new", plan.app_name)
        await build_app(plan).deploy.aio(environment_name=self._environment)
        return await function.hydrate.aio()

    async def _view(self, call_ids: Sequence[str]) -> dict[str, JobView | None]:
        room = asyncio.Semaphore(ASKED_AT_ONCE)
        tasks = {
            call_id: asyncio.create_task(self._view_one(call_id, room)) for call_id in call_ids
        }
        _done, late = await asyncio.wait(tasks.values(), timeout=ASK_WITHIN_S)
        for task in late:
            task.cancel()
        if late:
            log.warning("Modal did not answer within %s seconds", ASK_WITHIN_S)
        return {call_id: None if task in late else task.result() for call_id, task in tasks.items()}

    async def _view_one(self, call_id: str, room: asyncio.Semaphore) -> JobView | None:
        async with room:
            call = _sdk().FunctionCall.from_id(call_id)
            try:
                return CallView(
                    phase="ended", state="SUCCESS", returned=await call.get.aio(timeout=0)
                )
            except builtins.TimeoutError:
                return await self._view_unfinished(call_id)
            except Exception as error:  # where a container cannot start, whatever stopped it
                return answer_of(error)

    async def _view_unfinished(self, call_id: str) -> JobView | None:
        if call_id not in self._started:
            try:
                started = await Claims(self._environment).has_started(call_id)
            except sdk_errors() as error:
                log.warning("Modal does not say whether %s has begun: %s", call_id, error)
                return None
            if not started:
                return JobView(phase="pending", state="PENDING", reason="in Modal's queue")
            self._started.add(call_id)
        return JobView(phase="running", state="RUNNING")


def _sdk() -> Any:
    return require("modal", extra="modal", purpose="the modal backend")


def _options(config: ModalConfig, timeout_s: int | None, environment: str | None) -> dict[str, Any]:
    """Arguments of `with_options`, which takes None as "as deployed"."""
    modal = _sdk()
    limit_s = config.timeout_seconds if timeout_s is None else timeout_s
    options: dict[str, Any] = {
        "cpu": config.cpus_per_task,
        "memory": config.memory_mb,
        "gpu": config.gpu if config.nodes == 1 else None,
        "timeout": min(limit_s + MARGIN_S, LONGEST_TIMEOUT_S),
        "retries": config.retries,
        "max_containers": config.max_containers,
        "region": config.region,
        "cloud": config.cloud,
        "secrets": [
            modal.Secret.from_name(name, environment_name=environment) for name in config.secrets
        ],
        "volumes": _volumes(config.volumes, environment),
    }
    return {key: value for key, value in options.items() if value not in (None, [], {})}


def _volumes(volumes: Mapping[str, str], environment: str | None) -> dict[str, Any]:
    modal = _sdk()
    return {
        path: modal.Volume.from_name(name, environment_name=environment, create_if_missing=True)
        for path, name in volumes.items()
    }
