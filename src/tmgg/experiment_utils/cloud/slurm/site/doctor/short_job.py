"""A short job of the doctor, from the login node: submit it, wait for it, say how it ended."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from tmgg.errors import BackendError, RecordError, TmggError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, TimeIsUpError
from tmgg.experiment_utils.cloud.slurm.request import fields
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.reasons import explain_reason
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.doctor_runs import new_doctor_run_id
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.phases import parse_phases
from tmgg.experiment_utils.run_folder.removal import remove_run

JOB_LIMIT = "00:10:00"

Say = Callable[[str], None]
Judge = Callable[["ShortJob"], list[Finding]]


def shorter(time_limit: str) -> str:
    """The time limit of a short job: JOB_LIMIT, or a run's `time_limit` if that is shorter."""
    limit_s, own_s = fields.parse_time_limit_s(time_limit), fields.parse_time_limit_s(JOB_LIMIT)
    is_shorter = limit_s is not None and own_s is not None and limit_s < own_s
    return time_limit if is_shorter else JOB_LIMIT


class ShortJob:
    """One run; its record is removed if there is no problem."""

    def __init__(self, runner: CloudRunner, output_dir: Path, check: str, say: Say) -> None:
        """`check` is the name of the check in the findings."""
        self._runner = runner
        self._check = check
        self._say = say
        self.run_id = new_doctor_run_id()
        self.paths = RunPaths(output_dir, self.run_id)
        self._told = ""
        self._last: RunState | None = None

    def examine(
        self, config: JsonDict, *, payload: bytes | None, clock: Clock, limit_s: float, judge: Judge
    ) -> list[Finding]:
        """Run the experiment of `config`. Returns what `judge` finds in the files of the run."""
        try:
            state = self._run(config, payload, clock)
        except TimeIsUpError:
            return [self._give_up(limit_s)]
        except KeyboardInterrupt:
            self._cancel()
            raise
        except TmggError as error:
            advice = "Correct what Slurm names."
            return [problem(self._check, f"could not be submitted: {error}", advice)]
        return self._judged(state, judge)

    def notes(self, folder: str, prefix: str) -> list[JsonDict]:
        """The notes in a folder of the run's output, in files whose names begin with `prefix`."""
        paths = sorted((self.paths.artifacts / folder).glob(f"{prefix}*.json"))
        return [note for path in paths if (note := read_json(path)) is not None]

    def phases(self) -> dict[str, float]:
        """When the job reached each phase, in Unix time, by the name of the phase."""
        text = self.paths.submission(1).phases.read_text()
        return {phase.name: phase.at for phase in parse_phases(text)}

    def _run(self, config: JsonDict, payload: bytes | None, clock: Clock) -> RunState:
        request = TaskRequest(
            config=config,
            run_id=self.run_id,
            payload=payload,
            timeout_seconds=fields.parse_time_limit_s(JOB_LIMIT),
        )
        self._runner.spawn_experiment(request)
        runs = self._runner.runs
        for state in waiting.wait(runs, [self.run_id], on_update=self._seen, clock=clock):
            self._last = state
        assert self._last is not None
        return self._last

    def _cancel(self) -> None:
        with contextlib.suppress(BackendError):
            self._runner.cancel(self.run_id)

    def _give_up(self, limit_s: float) -> Finding:
        self._cancel()
        state = self._last
        if state is None or state.status != "pending":
            text = f"did not end within {limit_s:g} s and was cancelled"
            advice = f"`tmgg-jobs show {self.run_id}` shows how far it came."
            return problem(self._check, text, advice)
        reasons = [f"{item.reason}: {item.words}" for item in explain_reason(state.reason)]
        start = f" Slurm expects room at {state.estimated_start}." if state.estimated_start else ""
        text = f"did not start within {limit_s:g} s and was cancelled. {' '.join(reasons)}{start}"
        advice = "Nothing is known about the nodes; --timeout waits longer."
        return warning(self._check, text, advice)

    def _judged(self, state: RunState, judge: Judge) -> list[Finding]:
        if state.failure is not None:
            text = f"{state.failure.kind}: {state.failure.message}"
            advice = f"{state.failure.hint} (`tmgg-jobs show {self.run_id}`)"
            return [problem(self._check, text, advice)]
        try:
            found = judge(self)
        except (KeyError, TypeError, OSError, RecordError) as error:
            advice = f"`tmgg-jobs show {self.run_id}` has its files."
            return [problem(self._check, f"its notes cannot be read: {error!r}", advice)]
        if all(finding.level != "problem" for finding in found):
            remove_run(self.paths, with_output=True, may_go=lambda: True)
        return found

    def _seen(self, states: Sequence[RunState]) -> None:
        self._last = states[0]
        words = f"job {self._last.job_id} is {self._last.status}"
        words += f" ({self._last.reason})" if self._last.reason else ""
        if words != self._told:
            self._say(words)
            self._told = words
