"""Where every file of a run is. No other module builds these paths.

    <output_dir>/                      slurm_outputs/ unless configured
        <run_id>.out, <run_id>.err     what the job printed, of all its attempts
        .ended/<run_id>.<n>.json       written by the job as its last act (exit record)
        .ended/removed.<uid>           runs that this user removed, one per line
        .sweeps/<sweep_id>.json        the runs of a sweep, in order
        .batches/<batch_id>/           0700: many runs submitted with one sbatch
            batch.json                 what they share: the settings of their records
            runs                       one line per run: its name, and where its task is
            tasks.jsonl, payloads      what to run (0600)
            intent.json, job.sh, job.json, owner   as in a submission, below
            refused.json               only if none of its runs will be run: the reason
            removed                    runs that gc removed, one per line
            logs/<index>.out, .err     what Slurm opens; the same files as <run_id>.out, .err
            logs/job.out, .err         of the job of a packed batch; its runs have logs of their own
            ended.json, phases, ...    of a packed batch: as in a submission, of the one job
        <run_id>/                      0700; of a run in a batch: once its job begins
            run.json                   what was asked for; written once, before submission
            task.json, payload.pkl     what to run (0600)
            output/                    the experiment's own files: checkpoints, logs
            refused_retry.json         why the backend refused to submit it again, if it did
            checkpoint                 paths of checkpoints that the experiment noted
            <n>/                       submission n (1, 2, ...): `retry` makes the next one
                run.json, task.json, payload.pkl   where they differ from the submission before
                batch                  the batch it was submitted with, and its place in it; then
                                       intent.json, job.sh and job.json are there, not here
                intent.json            token, written before the backend is called
                job.sh                 the job script (Slurm)
                ray_request.json       what Ray is asked for (Ray)
                log_starts.json        where its part of the run's logs begins (Modal)
                job.json               the backend's job id; null if the backend never answered
                owner                  the job that runs it, or "nobody"; written only once
                phases                 one line "name seconds host" for each step of the job
                restart                number of the last start of its job, counted from 0
                result.json            what the experiment returned
                entrypoint_exit_code   0, 1, or 85 (stopped, to go on later), for the job script
                usage.json             what the run used: CPU, memory, GPUs
                *.before-restart-<k>   what an earlier start of the job left
                missing.json           since when something that should be there is missing
                cancel.json            there if its cancellation was requested
                stop                   asks the experiment to checkpoint and end; has the reason
                ray_token              secret of this job's Ray cluster (0600)
                ray_logs/<node>/       ends of Ray's logs, where Ray failed (managed bootstrap)
                ray_head               where the head's supervisor listens (managed bootstrap)
                rank_hub               where rank 0's supervisor listens, in a run of several ranks
                ranks/<rank>/          of each rank: its result, and its log unless it is rank 0
                verdict.json           the outcome, once final

The run folder is the database: any process on the shared file system can ask how a run stands,
collect its result, or cancel it.
"""

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

from tmgg.errors import ConfigError

LAYOUT_VERSION = 1

# Not *.out and *.err: the folder of such a run would have the path of another run's log.
_RUN_ID = re.compile(r"(?!.*\.(out|err)\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_run_id(run_id: object) -> str:
    """Return `run_id` if it can be a file name; raise ConfigError otherwise."""
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"run_id {run_id!r} cannot be a file name. Use 1 to 100 letters, digits, '.', '_' or "
            "'-', beginning with a letter or digit and not ending in .out or .err."
        )
    return run_id


def run_id_of_exit_record(file_name: str) -> str:
    """The id of the run of an exit record, from the record's file name in `.ended/`."""
    return file_name.rsplit(".", 2)[0]


def resolve_output_dir(output_dir: str | Path, base: Path) -> Path:
    """The folder of logs and records as an absolute path; a relative one is taken from `base`."""
    return (base / Path(output_dir).expanduser()).absolute()


class _File:
    """An attribute of a class of paths: the path of a file or folder in the object's `folder`.

    The path is made at the first access, and is an ordinary attribute of the object from then on.
    """

    _folder = "folder"

    def __init__(self, name: str) -> None:
        self._name = name

    def __set_name__(self, _class: type, attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, paths: object, _class: type) -> Path:
        folder: Path = getattr(paths, self._folder)
        path: Path = paths.__dict__.setdefault(self._attribute, folder / self._name)
        return path


class _OwnFile(_File):
    """As `_File`, for files of which each rank of a run has one."""

    _folder = "own_folder"


class JobFolder(Protocol):
    """The files of one request to the backend: a submission of one run, or a batch."""

    @property
    def folder(self) -> Path: ...

    @property
    def intent(self) -> Path: ...

    @property
    def script(self) -> Path: ...

    @property
    def job(self) -> Path: ...

    @property
    def owner(self) -> Path: ...

    @property
    def name(self) -> str:
        """The name that a user gives to `tmgg-jobs retry`: a run's, or a sweep's."""
        ...

    @property
    def shown_by(self) -> str:
        """The command that shows the state of the run or of the batch's runs."""
        ...


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; `output_dir` is absolute."""

    RECORD_NAME: ClassVar[str] = "run.json"
    ENDED_NAME: ClassVar[str] = ".ended"
    REMOVAL_NOTES: ClassVar[str] = "removed."

    output_dir: Path
    run_id: str
    folder: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.output_dir / self.run_id)

    run = _File(RECORD_NAME)
    task = _File("task.json")
    payload = _File("payload.pkl")
    artifacts = _File("output")
    checkpoint = _File("checkpoint")
    refused_retry = _File("refused_retry.json")

    @cached_property
    def stdout(self) -> Path:
        return self.output_dir / f"{self.run_id}.out"

    @cached_property
    def stderr(self) -> Path:
        return self.output_dir / f"{self.run_id}.err"

    @cached_property
    def ended_folder(self) -> Path:
        """Shared by all runs of the folder, so one listing shows which of them have ended."""
        return self.output_dir / self.ENDED_NAME

    def removal_notes(self, user_id: int) -> Path:
        """The file with the runs of the folder that this user removed last."""
        return self.ended_folder / f"{self.REMOVAL_NOTES}{user_id}"

    def submission(self, number: int) -> "SubmissionPaths":
        return SubmissionPaths(self, number)

    def submission_numbers(self) -> list[int]:
        """Submissions made so far, ascending."""
        try:
            # Folders only: a plain file with such a name bars it (`next_submission`).
            with os.scandir(self.folder) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if entry.name.isascii() and entry.name.isdigit() and entry.is_dir()
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(map(int, names))


class JobFiles:
    """The files that a backend gets, and those that the job script and supervisors write."""

    folder: Path

    @property
    def own_folder(self) -> Path:
        """The folder for files that each rank of a run writes; see `RankPaths`."""
        return self.folder

    @property
    def phases(self) -> Path:
        return self.folder / "phases"

    intent = _File("intent.json")
    script = _File("job.sh")
    job = _File("job.json")
    owner = _File("owner")
    entrypoint_exit_code = _OwnFile("entrypoint_exit_code")
    restart = _File("restart")
    """Tells a process of an earlier start that still runs that it is superseded."""
    ray_token = _File("ray_token")
    ray_logs = _File("ray_logs")
    ray_head = _File("ray_head")


@dataclass(frozen=True)
class JobFilesIn(JobFiles):
    """The files in a folder that may be a submission's or a batch's."""

    folder: Path


@dataclass(frozen=True)
class SubmissionPaths(JobFiles):
    """The files of one submission of a run."""

    run_paths: RunPaths
    number: int
    folder_name: str | None = None
    """None: the number. A temporary name while the folder is being made."""
    folder: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folder = self.run_paths.folder / (self.folder_name or str(self.number))
        object.__setattr__(self, "folder", folder)

    @property
    def name(self) -> str:
        return self.run_paths.run_id

    @property
    def shown_by(self) -> str:
        return f"tmgg-jobs show {self.name}"

    run = _File(RunPaths.RECORD_NAME)
    """The run's record; only there if its options differ from the submission before."""
    task = _File("task.json")
    """What to run; only there if it differs from the submission before."""
    payload = _File("payload.pkl")
    batch = _File("batch")
    ray_request = _File("ray_request.json")
    log_starts = _File("log_starts.json")
    """Where its part of the run's logs begins; only if that part is fetched as a whole (Modal)."""
    result = _OwnFile("result.json")
    usage = _OwnFile("usage.json")
    missing = _File("missing.json")
    """When something was first found missing; limits how long TMGG waits for it."""
    cancel = _File("cancel.json")
    stop = _File("stop")
    ranks = _File("ranks")
    verdict = _File("verdict.json")

    @cached_property
    def ended(self) -> Path:
        """The exit record; only there if the job ended by itself or by a signal that it caught."""
        name = f"{self.run_paths.run_id}.{self.number}.json"
        return self.run_paths.ended_folder / name


@dataclass(frozen=True)
class BatchPaths(JobFiles):
    """The files of many runs that are submitted with one sbatch; `output_dir` is absolute."""

    FOLDER_NAME: ClassVar[str] = ".batches"

    output_dir: Path
    batch_id: str
    """`SWEEP.NUMBER`; batch 0 holds the runs that the launcher has not submitted yet."""
    folder_name: str | None = None
    """None: the batch's id. A temporary name while the folder is being made."""
    folder: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folder = self.output_dir / self.FOLDER_NAME / (self.folder_name or self.batch_id)
        object.__setattr__(self, "folder", folder)

    @property
    def is_waiting(self) -> bool:
        return self.batch_id.endswith(".0")

    @property
    def name(self) -> str:
        return self.batch_id.rpartition(".")[0]

    @property
    def shown_by(self) -> str:
        return f"tmgg-jobs list --sweep {self.name}"

    record = _File("batch.json")
    runs = _File("runs")
    tasks = _File("tasks.jsonl")
    payloads = _File("payloads")
    refusal = _File("refused.json")
    removed = _File("removed")
    logs = _File("logs")

    @cached_property
    def job_stdout(self) -> Path:
        return self.logs / "job.out"

    @cached_property
    def job_stderr(self) -> Path:
        return self.logs / "job.err"

    ended = _File("ended.json")
    """The exit record of the one job of a packed batch."""


@dataclass(frozen=True)
class SweepPaths:
    """The files of one sweep; `output_dir` is absolute."""

    FOLDER_NAME: ClassVar[str] = ".sweeps"

    output_dir: Path
    sweep_id: str

    @cached_property
    def record(self) -> Path:
        return self.output_dir / self.FOLDER_NAME / f"{self.sweep_id}.json"


def submission_paths(folder: Path) -> SubmissionPaths:
    """The paths of the submission with this folder."""
    run_folder = folder.absolute().parent
    return RunPaths(run_folder.parent, run_folder.name).submission(int(folder.name))
