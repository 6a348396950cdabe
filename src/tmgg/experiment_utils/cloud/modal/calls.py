"""The only module of the submitting side that asks Modal's servers.

Every question has a time limit, because the SDK retries an unreachable server for nearly a minute.
"""

import asyncio
import builtins
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tmgg.errors import BackendError, QueryError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.modal.app import AppPlan, build_app, plan_app
from tmgg.experiment_utils.cloud.modal.bounded import within
from tmgg.experiment_utils.cloud.modal.claims import Claims
from tmgg.experiment_utils.cloud.modal.config import LONGEST_TIMEOUT_S, MARGIN_S, ModalConfig
from tmgg.experiment_utils.cloud.modal.outcomes import (
    answer_of,
    is_not_found,
    is_of_the_sdk,
    refusal,
    unanswered,
    why_silent,
)
from tmgg.experiment_utils.cloud.modal.parcel import Parcel
from tmgg.experiment_utils.extras import require

log = logging.getLogger(__name__)

ASK_WITHIN_S = 20.0
ASKED_AT_ONCE = 32
# Building an image with torch for CUDA takes minutes.
DEPLOY_WITHIN_S = 3600.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class CallView(JobView):
    """Modal's answer about a call that returned, with its return value."""

    returned: object = field(default=None, repr=False)


class ModalCalls:
    """Deploys, spawns, asks and cancels. The SDK is imported when it is first used."""

    def __init__(self, environment: str | None = None) -> None:
        self._environment = environment
        self._functions: dict[tuple[str, str], Any] = {}
        self._plans: dict[str, AppPlan] = {}
        self._started: set[str] = set()
        self.known_place: str | None = None
        """The answer of `place`; None while it is not known."""

    def deploy(self, config: ModalConfig) -> AppPlan:
        """Deploy the app for these options if it is not there; a new image takes minutes.

        Raises ConfigError, MissingExtraError, BackendUnavailableError or QueryError, or
        SubmissionError if Modal refuses it.
        """
        _sdk()
        plan = self._plan(config)
        key = (plan.app_name, plan.function_name)
        if key not in self._functions:
            with _raised_as(refusal, f"the app {plan.app_name} could not be deployed"):
                self._functions[key] = within(DEPLOY_WITHIN_S, self._deployed(plan))
        return plan

    def _plan(self, config: ModalConfig) -> AppPlan:
        if repr(config) not in self._plans:
            self._plans[repr(config)] = plan_app(config)
        return self._plans[repr(config)]

    def spawn(self, config: ModalConfig, parcel: Parcel, *, timeout_s: int | None) -> str:
        """Give a run to Modal; returns the id of its call.

        Raises SubmissionUnknownError if Modal may have taken the run; SubmissionError,
        BackendUnavailableError or QueryError if it has not.
        """
        plan = self.deploy(config)
        function = self._functions[plan.app_name, plan.function_name]
        bound = function.with_options(**_options(config, timeout_s, self._environment))
        with _raised_as(refusal, "Modal did not take the options of the run"):
            within(config.submit_timeout_s, bound.hydrate.aio())
        plain = parcel.to_plain()
        try:
            call = within(config.submit_timeout_s, bound.spawn.aio(plain))
        except Exception as error:  # after any error Modal may have the run
            refused = refusal("Modal did not take the run", error)
            if not isinstance(refused, QueryError):
                raise refused from error
            raise SubmissionUnknownError(
                f"Modal did not answer when the run was submitted ({why_silent(error)}). TMGG "
                "does not know yet whether Modal took the run. Do not submit it again before "
                f"`tmgg-jobs show {parcel.task['run_id']}` says so."
            ) from error
        return str(call.object_id)

    def view(self, call_ids: Sequence[str]) -> dict[str, JobView | None]:
        """Modal's answer about each call; None if it did not answer in time."""
        _sdk()
        return within(2 * ASK_WITHIN_S, self._view(call_ids))

    def cancel(self, call_ids: Sequence[str]) -> None:
        """Ask Modal to end calls; raises QueryError if it does not answer."""

        async def cancel() -> None:
            for call_id in call_ids:
                try:
                    await _sdk().FunctionCall.from_id(call_id).cancel.aio()
                except Exception as error:
                    if not is_not_found(error):
                        raise

        self._ask(cancel(), "whether the run was cancelled")

    def place(self) -> str:
        """An id of the workspace and environment that this process uses; raises QueryError.

        Runs in another workspace or environment cannot be seen from here.
        """
        if self.known_place is None:
            place = Claims(self._environment).place()
            self.known_place = self._ask(place, "which workspace this is")
        return self.known_place

    def owner(self, token: str) -> str | None:
        """The call that began a submission, or None; raises QueryError if Modal does not answer."""
        return self._ask(Claims(self._environment).owner(token), "who runs the submission")

    def forbid(self, token: str) -> str | None:
        """See `Claims.forbid`; raises QueryError if Modal does not answer."""
        return self._ask(Claims(self._environment).forbid(token), "whether the run has begun")

    def _ask(self, question: Coroutine[Any, Any, _Answer], what: str) -> _Answer:
        with _raised_as(unanswered, f"Modal does not tell {what}"):
            return within(ASK_WITHIN_S, question)

    async def _deployed(self, plan: AppPlan) -> Any:
        function = _sdk().Function.from_name(
            plan.app_name, plan.function_name, environment_name=self._environment
        )
        try:
            return await function.hydrate.aio()
        except Exception as error:
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
        place = asyncio.create_task(self._learn_place())
        _done, late = await asyncio.wait([*tasks.values(), place], timeout=ASK_WITHIN_S)
        for task in late:
            task.cancel()
        no_answer = _Silence(f"no answer within {ASK_WITHIN_S:g} seconds")
        answers = {
            call_id: no_answer if task in late else task.result() for call_id, task in tasks.items()
        }
        _warn_of_silence(answers)
        return {
            call_id: None if isinstance(answer, _Silence) else answer
            for call_id, answer in answers.items()
        }

    async def _learn_place(self) -> None:
        if self.known_place is not None:
            return
        try:
            self.known_place = await Claims(self._environment).place()
        except Exception as error:  # then it is not known which runs are in another workspace
            log.info("Modal does not say which workspace this is: %s", why_silent(error))

    async def _view_one(self, call_id: str, room: asyncio.Semaphore) -> "JobView | _Silence":
        async with room:
            call = _sdk().FunctionCall.from_id(call_id)
            try:
                return CallView(
                    phase="ended", state="SUCCESS", returned=await call.get.aio(timeout=0)
                )
            except builtins.TimeoutError:
                return await self._view_unfinished(call_id)
            except Exception as error:  # any: if a container cannot start, the SDK raises its error
                return answer_of(error) or _Silence(why_silent(error))

    async def _view_unfinished(self, call_id: str) -> "JobView | _Silence":
        if call_id not in self._started:
            try:
                started = await Claims(self._environment).has_started(call_id)
            except Exception as error:  # it concerns only this question
                return _Silence(f"whether it has begun: {why_silent(error)}")
            if not started:
                return JobView(phase="pending", state="PENDING", reason="in Modal's queue")
            self._started.add(call_id)
        return JobView(phase="running", state="RUNNING")


@dataclass(frozen=True, slots=True)
class _Silence:
    """Modal did not answer; `why` is the reason."""

    why: str


def _warn_of_silence(answers: Mapping[str, JobView | _Silence]) -> None:
    silent = {call_id: each for call_id, each in answers.items() if isinstance(each, _Silence)}
    if silent:
        call_id, example = next(iter(silent.items()))
        log.warning(
            "Modal does not say how %s of %s calls stand, for example %s: %s",
            *(len(silent), len(answers), call_id, example.why),
        )


@contextlib.contextmanager
def _raised_as(ours: Callable[[str, Exception], BackendError], what: str) -> Iterator[None]:
    """Raise an error of the SDK as the error that `ours` makes from it."""
    try:
        yield
    except Exception as error:
        if not is_of_the_sdk(error):
            raise
        raise ours(what, error) from error


def _sdk() -> Any:
    return require("modal", extra="modal", purpose="the modal backend")


def _options(config: ModalConfig, timeout_s: int | None, environment: str | None) -> dict[str, Any]:
    """Arguments of `with_options`. An option without a value stays as it was deployed."""
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
