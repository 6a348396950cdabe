"""Whatever two attempts, two clusters and two owners left: nothing foreign or stale is believed.

Each case is a folder with any mixture of files and a Slurm with any mixture of answers. All that
is another's says FOREIGN, so that a word of it in our run's state shows. Whether an end can be
known is reckoned here from what was put there, by rules simpler than those of the verdict.
"""

import itertools
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, Whereabouts
from tmgg.experiment_utils.cloud.judging.job_identity import Places
from tmgg.experiment_utils.cloud.judging.judge import Judge
from tmgg.experiment_utils.cloud.judging.polling import Question
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.slurm.parsing import AccountingEntry, QueueEntry
from tmgg.experiment_utils.cloud.slurm.view import view_jobs
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.paths import JobFolder, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskOutput, render_result_line

OURS, THEIRS = "a" * 32, "b" * 32
JOB = "77"
GRACE_S = 60.0
LONG_S = 10 * GRACE_S
CREATED_AT = 1_790_000_000.0
NOTED_AT = CREATED_AT + 5
NUMBERS = itertools.count()
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY")

tokens = st.sampled_from([OURS, OURS, THEIRS, None])
restarts = st.integers(0, 2)
results = st.fixed_dictionaries(
    {
        "token": tokens,
        "status": st.sampled_from(["completed", "failed", "stopped", "timeout"]),
        "restart": restarts,
        "run_id": st.sampled_from(["run", "run", "run", "other"]),
        "submission": st.sampled_from([1, 1, 1, 2]),
    }
)
exit_records = st.fixed_dictionaries(
    {
        "token": tokens,
        "restart": restarts,
        "stage": st.sampled_from(["setup", "ray", "entrypoint", "cancelled"]),
        "signal": st.sampled_from(["", "", "TERM", "USR1", "USR2"]),
        "exit_code": st.sampled_from([0, 1, 74, 137]),
        "entrypoint_exit_code": st.sampled_from([None, 0, 1]),
        "scope": st.sampled_from(["job", "job", "run"]),
        "age_s": st.sampled_from([0.0, LONG_S]),
    }
)
verdicts = st.fixed_dictionaries(
    {"token": st.sampled_from([OURS, THEIRS]), "status": st.sampled_from(["completed", "failed"])}
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A job as Slurm tells of it; whose it is shows by what it carries."""

    state: str
    token: str | None
    is_my_user: bool
    submitted: str
    restarts: int
    exit_code: str
    place: str
    """Its script and log: `ours`, `theirs`, `half` (a log of the site's), or `untold`."""

    @property
    def may_be_ours(self) -> bool:
        """By what the controller tells."""
        if self.token is not None:
            return self.token == OURS
        return self.place == "ours" and self.is_of_our_time

    @property
    def may_be_ours_by_account(self) -> bool:
        if self.token is not None:
            return self.token == OURS
        # Where no command line is on record, only the time tells.
        return self.submitted == "then" if self.place == "untold" else self.place == "ours"

    @property
    def is_of_our_time(self) -> bool:
        is_late = self.submitted == "after" and self.restarts == 0
        return self.submitted != "before" and not is_late

    def details(self, paths: SubmissionPaths) -> dict[str, str]:
        ours = {"Command": str(paths.script), "StdOut": str(paths.run_paths.stdout)}
        theirs = {"Command": "/home/a/other.sh", "StdOut": "/home/a/slurm-77.out"}
        half = {"Command": "(null)", "StdOut": theirs["StdOut"]}
        return {"ours": ours, "theirs": theirs, "half": half, "untold": {}}[self.place]

    def submit_line(self, paths: SubmissionPaths) -> str:
        if self.token is None and self.place == "untold":
            return ""
        return f"sbatch --comment={self.comment} {self.details(paths).get('Command', '')}"

    @property
    def words(self) -> str:
        return "" if self.may_be_ours and self.is_my_user else "FOREIGN"

    @property
    def comment(self) -> str:
        return "site" if self.token is None else f"tmgg:{self.token}"

    @property
    def submit_time(self) -> str:
        gaps_s = {"before": -1e6, "then": 2.0, "after": 1e6}
        if self.submitted not in gaps_s:
            return "Unknown"
        return datetime.fromtimestamp(CREATED_AT + gaps_s[self.submitted]).isoformat()


told = st.builds(
    Told,
    state=st.sampled_from(["PENDING", "RUNNING", *ENDED]),
    token=tokens,
    is_my_user=st.sampled_from([True, True, True, False]),
    submitted=st.sampled_from(["before", "then", "after", "untold"]),
    restarts=restarts,
    exit_code=st.sampled_from(["0:0", "1:0", "0:9", "137:0", "74:0"]),
    place=st.sampled_from(["ours", "theirs", "half", "untold"]),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What is there of our run and of others that had its name or its job's number."""

    result: dict[str, Any] | None
    lines: list[dict[str, Any]]
    record: dict[str, Any] | None
    verdict: dict[str, Any] | None
    owner: str | None
    cancel: bool
    missing_long: bool
    queue: Told | None
    answer: str
    """Of the controller: `whole`, `none`, or `cut` (it leaves out what it knows)."""
    account: Told | None
    is_here: bool
    elsewhere: bool


worlds = st.builds(
    World,
    result=st.none() | results,
    lines=st.lists(results, max_size=2),
    record=st.none() | exit_records,
    verdict=st.none() | verdicts,
    owner=st.sampled_from([None, JOB, JOB, "nobody"]),
    cancel=st.booleans(),
    missing_long=st.booleans(),
    queue=st.none() | told,
    answer=st.sampled_from(["whole", "whole", "none", "cut"]),
    account=st.none() | told,
    is_here=st.booleans(),
    elsewhere=st.sampled_from([False, False, True]),
)


@dataclass
class Slurm:
    """The questions of a `SlurmClient`, with the answers of the case."""

    world: World
    paths: SubmissionPaths
    places: dict[str, Places] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)

    def queue(self, job_ids: Sequence[str]) -> dict[str, QueueEntry]:
        if self.world.answer == "none":
            raise QueryError("no answer")
        job = self.world.queue
        if job is None or self.world.answer == "cut":
            return {}
        return {
            JOB: QueueEntry(
                job_id=JOB,
                array_id=JOB,
                state=job.state,
                reason=job.words,
                restarts=job.restarts,
                exit_code=job.exit_code,
                start_time="",
                nodes=job.words,
                submit_time=job.submit_time,
                user_id=os.getuid() + (not job.is_my_user),
                comment=job.comment,
            )
        }

    def accounting(self, job_ids: Sequence[str]) -> dict[str, AccountingEntry]:
        job = self.world.account
        if job is None:
            return {}
        entry = AccountingEntry(
            job_id=JOB,
            state=job.state,
            exit_code=job.exit_code,
            nodes="" if job.may_be_ours_by_account else "FOREIGN",
            submit_line=job.submit_line(self.paths),
            submit_time=job.submit_time,
        )
        return {JOB: entry}

    def job_details(self, job_id: str) -> dict[str, str]:
        assert self.world.queue is not None
        return self.world.queue.details(self.paths)

    def knows(self, job_id: str) -> bool:
        if self.world.answer == "cut" and self.world.queue is None:
            raise QueryError("cut")
        return self.world.queue is not None


class CaseBackend(Backend):
    """What judging needs of a backend on the cluster of the case."""

    def __init__(self, world: World, paths: SubmissionPaths) -> None:
        self.world, self.paths = world, paths
        folder = Path("nowhere")
        self.traits = BackendTraits(
            name="slurm", output_dir=folder, base_dir=folder, grace_s=GRACE_S
        )

    def adopt(self, folder: JobFolder) -> str | None:
        return JOB

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return view_jobs(Slurm(self.world, self.paths), job_ids)  # type: ignore[arg-type]

    def write(self, *_given: object, **_options: object) -> None:
        raise AssertionError("judging writes no submission")

    def start(self, *_given: object) -> str:
        raise AssertionError("judging starts no job")

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        raise AssertionError(f"judging cancels no job: {job_ids}")

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        return Whereabouts(
            is_surely_here=self.world.is_here and not self.world.elsewhere,
            elsewhere="it is of another cluster" if self.world.elsewhere else "",
        )


def is_own_result(value: dict[str, Any] | None) -> bool:
    wanted = {"token": OURS, "run_id": "run", "submission": 1}
    return value is not None and wanted.items() <= value.items()


def output(values: dict[str, Any]) -> TaskOutput:
    mark = "own words" if is_own_result(values) else "FOREIGN"
    failed = {} if values["status"] == "completed" else {"error_type": "E", "error_message": mark}
    return TaskOutput(**values, **failed, metrics={mark: 1.0})  # type: ignore[arg-type]


def put(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
    path.chmod(0o600)


def make(folder: Path, world: World) -> SubmissionPaths:
    paths = RunPaths(folder, "run").submission(1)
    paths.folder.mkdir(parents=True, mode=0o700)
    paths.run_paths.ended_folder.mkdir(mode=0o700)
    intent = {"version": 1, "token": OURS, "created_at": CREATED_AT, "host": "h", "pid": 1}
    more = {"process_start": "1", "evidence_has_token": True, "user_id": os.getuid()}
    put(paths.intent, intent | more)
    put(paths.job, {"version": 1, "job_id": JOB, "submitted_at": NOTED_AT})
    if world.result is not None:
        put(paths.result, output(world.result).to_json())
    paths.run_paths.stdout.write_text(
        "".join(f"{render_result_line(output(line))}\n" for line in world.lines)
    )
    paths.run_paths.stdout.chmod(0o600)
    if world.record is not None:
        leave_record(paths, world.record)
    if world.verdict is not None:
        put(paths.verdict, verdict_of(world.verdict))
    if world.owner is not None:
        paths.owner.write_text(f"{world.owner}\n")
        paths.owner.chmod(0o600)
    if world.cancel:
        put(paths.cancel, {"version": 1, "why": "cancel"})
    if world.missing_long:
        put(paths.missing, {"version": 1, "since": time.time() - LONG_S})
    return paths


def leave_record(paths: SubmissionPaths, values: dict[str, Any]) -> None:
    record = {key: value for key, value in values.items() if key != "age_s"}
    foreign = values["token"] != OURS
    host = {"host": "FOREIGN"} if foreign else {}
    put(paths.ended, {"version": 1, "job_id": JOB, "ended_at": 1.0, **record, **host})
    at = time.time() - values["age_s"]
    os.utime(paths.ended, (at, at))


def verdict_of(values: dict[str, Any]) -> dict[str, Any]:
    mark = "kept words" if values["token"] == OURS else "FOREIGN"
    why = {"kind": "lost", "message": mark, "hint": mark}
    kept = {"backend_state": "", "reason": mark, "job_id": JOB, "exit_code": None, "nodes": ""}
    return {
        "version": 1,
        **values,
        **kept,
        "attempt": 1,
        "failure": None if values["status"] == "completed" else why,
    }


def judge(paths: SubmissionPaths, world: World) -> RunState:
    """As any process does that asks for the first time."""
    backend = CaseBackend(world, paths)
    judging = Judge(backend)
    begun = judging.begin(paths, {})
    if isinstance(begun, Question):
        assert begun.job_id is not None
        begun = judging.end(begun, backend.view_jobs([begun.job_id]))
    assert isinstance(begun, RunState), begun
    return begun


def an_end_can_be_known(world: World) -> bool:
    own_record = world.record is not None and world.record["token"] == OURS
    own_verdict = world.verdict is not None and world.verdict["token"] == OURS
    given_up = world.cancel
    return own_record or own_verdict or given_up or ended_by_slurm(world) or gone(world)


def ended_by_slurm(world: World) -> bool:
    of_queue = world.queue if world.answer == "whole" else None
    account = world.account
    by_queue = of_queue is not None and of_queue.may_be_ours and of_queue.state in ENDED
    return by_queue or (
        account is not None and account.may_be_ours_by_account and account.state in ENDED
    )


def gone(world: World) -> bool:
    """The controller of the run's own cluster says that it has no such job, for long enough."""
    here = world.is_here and not world.elsewhere
    return world.answer == "whole" and world.queue is None and here and world.missing_long


def check(folder: Path, world: World) -> None:
    paths = make(folder, world)
    state = judge(paths, world)
    assert "FOREIGN" not in repr(state)
    if state.final:
        assert an_end_can_be_known(world), state
    if state.status == "completed":
        own = [world.result, *world.lines]
        has_result = any(is_own_result(one) and one["status"] == "completed" for one in own if one)
        kept = world.verdict is not None and world.verdict["token"] == OURS
        assert has_result or kept
    found, _problem = read_result(SubmissionFiles(paths))
    assert found is None or found.token == OURS
    assert "FOREIGN" not in repr(found)
    assert not state.final or judge(paths, world) == state


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=[pytest.mark.long])])
def test_nothing_foreign_or_stale_is_believed_and_nothing_unknown_ends_a_run(
    tmp_path: Path, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing here has to outlive a power cut, and each of ten thousand would wait for the disk.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(worlds)
    def holds(world: World) -> None:
        folder = tmp_path / str(next(NUMBERS))
        try:
            check(folder, world)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    holds()
