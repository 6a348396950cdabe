"""The doctor's job from the login node: submit it, wait for it, read what the nodes left."""

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from tmgg.errors import BackendError, RecordError, TmggError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, LimitedClock, TimeIsUpError
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request import fields
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner, slurm_runs
from tmgg.experiment_utils.cloud.slurm.site.doctor import survey
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.doctor.node_findings import judge_nodes
from tmgg.experiment_utils.cloud.slurm.site.reasons import explain_reason
from tmgg.experiment_utils.files.atomic_file import JsonDict, read_json
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.phases import parse_phases
from tmgg.experiment_utils.run_folder.removal import remove_run

JOB_LIMIT = "00:10:00"
SLOW_SETUP_S = 60.0

Say = Callable[[str], None]


def survey_nodes(
    runner: SlurmRunner, *, limit_s: float, say: Say, clock: Clock | None = None
) -> list[Finding]:
    """Run the survey as a job of the config's shape; its record goes when there is no problem."""
    job = _Job(runner, say)
    try:
        state = job.run(clock or LimitedClock(limit_s))
    except TimeIsUpError:
        return [job.give_up(limit_s)]
    except KeyboardInterrupt:
        job.cancel()
        raise
    except TmggError as error:
        return [problem("job", f"could not be submitted: {error}", "Correct what Slurm names.")]
    return job.judge(state)


def survey_config(config: SlurmConfig) -> SlurmConfig:
    """The same nodes, environment and ports, for a few minutes and without Ray."""
    limit_s, own_s = config.time_limit_s, fields.parse_time_limit_s(JOB_LIMIT)
    shorter = limit_s is not None and own_s is not None and limit_s < own_s
    return replace(
        config,
        # One process on each node, with all that its ranks have.
        tasks_per_node=None,
        cpus_per_task=config.cpus_per_node,
        gpus_per_task=config.gpus_per_node,
        ray_bootstrap="none",
        job_name="tmgg-doctor",
        time_limit=config.time_limit if shorter else JOB_LIMIT,
        poll_interval_s=min(config.poll_interval_s, 5.0),
    )


def survey_runner(runner: SlurmRunner) -> CloudRunner:
    """Runs the survey. Its one process starts what runs on the other nodes by itself."""
    config = survey_config(runner.config)
    backend = SlurmBackend(config, runner.client, check_config=lambda _config: None)
    return CloudRunner(slurm_runs(backend))


class _Job:
    def __init__(self, runner: SlurmRunner, say: Say) -> None:
        self._config = runner.config
        self._runner = survey_runner(runner)
        self._say = say
        self._run_id = f"doctor-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self._paths = RunPaths(runner.output_dir, self._run_id)
        self._told = ""
        self._last: RunState | None = None

    def run(self, clock: Clock) -> RunState:
        nonce = secrets.token_hex(16)
        request = TaskRequest(
            config=survey.make_config(self._config, nonce),
            run_id=self._run_id,
            payload=nonce.encode(),
            timeout_seconds=fields.parse_time_limit_s(JOB_LIMIT),
        )
        self._runner.spawn_experiment(request)
        runs = self._runner.runs
        for state in waiting.wait(runs, [self._run_id], on_update=self._seen, clock=clock):
            self._last = state
        assert self._last is not None
        return self._last

    def cancel(self) -> None:
        with contextlib.suppress(BackendError):
            self._runner.cancel(self._run_id)

    def give_up(self, limit_s: float) -> Finding:
        self.cancel()
        state = self._last
        if state is None or state.status != "pending":
            text = f"did not end within {limit_s:g} s and was cancelled"
            return problem("job", text, f"`tmgg-jobs show {self._run_id}` shows how far it came.")
        reasons = [f"{item.reason}: {item.words}" for item in explain_reason(state.reason)]
        start = f" Slurm expects room at {state.estimated_start}." if state.estimated_start else ""
        text = f"did not start within {limit_s:g} s and was cancelled. {' '.join(reasons)}{start}"
        return warning("job", text, "Nothing is known about the nodes; --timeout waits longer.")

    def judge(self, state: RunState) -> list[Finding]:
        if state.failure is not None:
            text = f"{state.failure.kind}: {state.failure.message}"
            advice = f"{state.failure.hint} (`tmgg-jobs show {self._run_id}`)"
            return [problem("job", text, advice)]
        try:
            found = [self._times(), *self._node_findings()]
        except (KeyError, TypeError, OSError, RecordError) as error:
            advice = f"`tmgg-jobs show {self._run_id}` has its files."
            return [problem("job", f"its notes cannot be read: {error!r}", advice)]
        if all(finding.level != "problem" for finding in found):
            remove_run(self._paths, with_output=True, may_go=lambda: True)
        return found

    def _seen(self, states: object) -> None:
        assert isinstance(states, list)
        self._last = states[0]
        words = f"job {self._last.job_id} is {self._last.status}"
        words += f" ({self._last.reason})" if self._last.reason else ""
        if words != self._told:
            self._say(words)
            self._told = words

    def _times(self) -> Finding:
        phases = parse_phases(self._paths.submission(1).phases.read_text())
        at = {phase.name: phase.at for phase in phases}
        setup_s = at["environment_ready"] - at["batch_start"]
        text = f"ran and left its result; the environment was ready after {setup_s:.1f} s"
        if setup_s > SLOW_SETUP_S:
            return warning("job", text, "The setup commands cost that time in every job.")
        return ok("job", text)

    def _node_findings(self) -> list[Finding]:
        folder = self._paths.artifacts / survey.FOLDER_NAME
        step = read_json(folder / "step.json") or {}
        return judge_nodes(
            self._config,
            self._notes("node-"),
            self._notes("links-"),
            step_words=str(step.get("words", "")),
        )

    def _notes(self, prefix: str) -> list[JsonDict]:
        folder = self._paths.artifacts / survey.FOLDER_NAME
        notes = [read_json(path) for path in survey.notes_in(folder, prefix)]
        return [note for note in notes if note is not None]
