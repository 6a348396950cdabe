"""Many runs submitted with one sbatch: their records in a handful of files, not in a thousand.

A run of a batch has no folder before its job begins. Until then what a run's folder would hold is
read from the batch: `find_member` finds it by the run's name, and `make_run_folder` makes the
folder when somebody has something to write in it: its job, who cancels it, who keeps its verdict.
"""

import functools
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from tmgg.errors import RecordError
from tmgg.experiment_utils.atomic_file import (
    OWNER_ONLY,
    JsonDict,
    parse_json,
    read_json,
    write_atomic,
    write_json,
)
from tmgg.experiment_utils.paths import LAYOUT_VERSION, BatchPaths, RunPaths, SubmissionPaths
from tmgg.experiment_utils.records import parse_record

_OWNER_ONLY_FOLDER = 0o700

BatchKind = Literal["array", "packed"]
"""`array`: each run is an element of one job array. `packed`: all are parts of one job."""
WriteScript = Callable[[BatchPaths, BatchPaths], None]
"""Writes a batch's script and intent into the first; they will be read at the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRecord:
    """What the runs of a batch share; the content of `batch.json`. Never changes."""

    kind: BatchKind
    run: JsonDict
    """`run.json` of each, without its `run_id`."""

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchedTask:
    """One run of a batch."""

    run_id: str
    submission: int
    task: JsonDict
    """The content of `task.json`."""
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A submission as part of a batch."""

    batch: BatchPaths
    index: int
    """Line of the file `runs`, counted from 0; index of the array's element."""

    def job_id(self, batch_job_id: str) -> str:
        """The run's job, given that of the batch."""
        kind = load_batch(self.batch).kind
        return f"{batch_job_id}_{self.index}" if kind == "array" else batch_job_id

    def task(self) -> JsonDict:
        """The content of the run's `task.json`; raises RecordError when it cannot be had."""
        where = self._place()
        with self.batch.tasks.open("rb") as stream:
            stream.seek(where.offset)
            text = stream.read(where.size)
        return parse_json(text, what=f"line {self.index + 1} of {self.batch.tasks}")

    def payload(self) -> bytes | None:
        """What travels beside the task."""
        where = self._place()
        if where.payload_offset is None:
            return None
        with self.batch.payloads.open("rb") as stream:
            stream.seek(where.payload_offset)
            return stream.read(where.payload_size)

    def _place(self) -> "_Place":
        return _places(self.batch)[self.index]


@dataclass(frozen=True, slots=True)
class _Place:
    """One line of the file `runs`: `RUN/SUBMISSION offset size [payload_offset payload_size]`."""

    name: str
    offset: int
    size: int
    payload_offset: int | None = None
    payload_size: int = 0

    def render(self) -> str:
        payload = (
            "" if self.payload_offset is None else f" {self.payload_offset} {self.payload_size}"
        )
        return f"{self.name} {self.offset} {self.size}{payload}\n"

    @classmethod
    def parse(cls, line: str) -> "_Place":
        name, *numbers = line.split()
        return cls(name, *(int(number) for number in numbers))


def create_batch(
    paths: BatchPaths, record: BatchRecord, tasks: Iterable[BatchedTask], write_script: WriteScript
) -> None:
    """Write all of a batch, or nothing; raises OSError when the folder cannot be written."""
    draft = replace(paths, folder_name=f".{paths.batch_id}.{secrets.token_hex(4)}.tmp")
    try:
        draft.folder.parent.mkdir(parents=True, mode=_OWNER_ONLY_FOLDER, exist_ok=True)
        draft.folder.mkdir(mode=_OWNER_ONLY_FOLDER)
        draft.logs.mkdir(mode=_OWNER_ONLY_FOLDER)
        _write_tasks(draft, tasks)
        write_json(draft.record, record.to_json())
        write_script(draft, paths)
        draft.folder.rename(paths.folder)
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise


def withdraw_batch(paths: BatchPaths) -> None:
    """Remove a batch that the backend certainly did not take, as if it had never been written."""
    shutil.rmtree(paths.folder, ignore_errors=True)
    _index(paths.output_dir).drop(paths.batch_id)


def find_member(paths: SubmissionPaths) -> Member | None:
    """The batch a submission belongs to; None when it was submitted by itself."""
    index = _index(paths.run_paths.output_dir)
    name = (paths.run_paths.run_id, paths.number)
    if name in index.members:
        return index.members[name]
    noted = _noted(paths)
    if noted is None:
        index.refresh()
    return noted or index.members.get(name)


def _noted(paths: SubmissionPaths) -> Member | None:
    """What the job wrote down, so that it need not read all batches there are."""
    try:
        batch_id, index = paths.batch.read_text().split()
        return Member(BatchPaths(paths.run_paths.output_dir, batch_id), int(index))
    except (OSError, ValueError):
        return None


def packed_batch(paths: SubmissionPaths) -> BatchPaths | None:
    """The batch whose one job runs this submission among others; None when it has its own job."""
    # Without an intent of its own it was submitted as part of something.
    member = None if paths.intent.exists() else find_member(paths)
    if member is None or load_batch(member.batch).kind != "packed":
        return None
    return member.batch


def has_runs_left(batch: BatchPaths) -> bool:
    """Whether a run of a packed batch has neither ended nor been cancelled."""
    return any(
        not (paths.cancel.exists() or paths.ended.exists() or paths.verdict.exists())
        for paths in runs_of_batch(batch)
    )


def batched_runs(output_dir: Path) -> list[str]:
    """The runs of all batches of a folder, each once."""
    index = _index(output_dir)
    index.refresh()
    return list(dict.fromkeys(run_id for run_id, _number in index.members))


def runs_of_batch(paths: BatchPaths) -> list[SubmissionPaths]:
    """The submissions that are in a batch, by index."""
    return [
        RunPaths(paths.output_dir, run_id).submission(number) for run_id, number in _names(paths)
    ]


def read_batched_run(paths: RunPaths) -> JsonDict | None:
    """What `run.json` would say of a run that is in a batch; None when it is in none."""
    member = find_member(paths.submission(1))
    if member is None:
        return None
    return {"version": LAYOUT_VERSION, **load_batch(member.batch).run, "run_id": paths.run_id}


def read_batched_task(paths: RunPaths) -> JsonDict | None:
    """What `task.json` would say of a run that is in a batch; None when it is in none."""
    member = find_member(paths.submission(1))
    return None if member is None else member.task()


def make_run_folder(paths: SubmissionPaths) -> None:
    """The folder of a run in a batch, as a run that is submitted by itself has from the start.

    Whoever comes first makes it, and what several write at the same time is the same. Does nothing
    for a run that has its folder, or that is in no batch. Raises OSError.
    """
    run = paths.run_paths
    if paths.folder.exists() and run.run.exists():
        return
    member = find_member(paths)
    if member is None:
        return
    run.folder.mkdir(mode=_OWNER_ONLY_FOLDER, exist_ok=True)
    paths.folder.mkdir(mode=_OWNER_ONLY_FOLDER, exist_ok=True)
    payload = member.payload()
    if payload is not None:
        write_atomic(run.payload, payload)
    write_json(run.task, member.task())
    record = read_batched_run(run)
    if record is not None and not run.run.exists():
        write_json(run.run, record)


def note_removed(paths: RunPaths) -> None:
    """Let a run that was removed not come back from its batch; the last one takes the batch."""
    index = _index(paths.output_dir)
    for batch in index.batches_of(paths.run_id):
        with batch.removed.open("a") as stream:
            stream.write(f"{paths.run_id}\n")
        if {run_id for run_id, _number in _names(batch)} <= _removed(batch):
            shutil.rmtree(batch.folder, ignore_errors=True)
        index.drop(batch.batch_id)


class _Index:
    """Which run is in which batch, of one folder. Batches do not change; new ones are added."""

    def __init__(self, output_dir: Path) -> None:
        self.members: dict[tuple[str, int], Member] = {}
        self._output_dir = output_dir
        self._known: set[str] = set()

    def refresh(self) -> None:
        """See which batches there are. A listing: it makes an NFS client ask the server again."""
        try:
            names = set(os.listdir(self._output_dir / BatchPaths.FOLDER_NAME))  # noqa: PTH208
        except OSError:
            names = set()
        for gone in self._known - names:
            self.drop(gone)
        for name in sorted(names - self._known):
            if not name.startswith("."):
                self._add(BatchPaths(self._output_dir, name))

    def batches_of(self, run_id: str) -> list[BatchPaths]:
        """Those that hold a submission of the run."""
        self.refresh()
        found = (member.batch for (name, _), member in self.members.items() if name == run_id)
        return list(dict.fromkeys(found))

    def drop(self, batch_id: str) -> None:
        """Forget a batch; it is read again if it is still there."""
        self._known.discard(batch_id)
        self.members = {
            name: member
            for name, member in self.members.items()
            if member.batch.batch_id != batch_id
        }

    def _add(self, batch: BatchPaths) -> None:
        try:
            removed = _removed(batch)
            names = _names(batch)
        except (OSError, ValueError):
            return  # another user's, or being removed
        self._known.add(batch.batch_id)
        for number, name in enumerate(names):
            # Of two submitters of one run the first counts; the job of the other ends unused.
            if name[0] not in removed:
                self.members.setdefault(name, Member(batch, number))


@functools.cache
def _index(output_dir: Path) -> _Index:
    return _Index(output_dir)


@functools.lru_cache(maxsize=64)
def load_batch(paths: BatchPaths) -> BatchRecord:
    """Raises RecordError when the record is missing or damaged."""
    value = read_json(paths.record)
    if value is None:
        raise RecordError(f"batch {paths.batch_id} has no {paths.record}")
    return parse_record(BatchRecord, value, what=str(paths.record), newest_version=LAYOUT_VERSION)


@functools.lru_cache(maxsize=8)
def _places(paths: BatchPaths) -> list[_Place]:
    with paths.runs.open() as stream:
        return [_Place.parse(line) for line in stream]


def _names(paths: BatchPaths) -> list[tuple[str, int]]:
    """Run and submission of each line of `runs`."""
    with paths.runs.open() as stream:
        return [_split(line.partition(" ")[0]) for line in stream]


def _removed(paths: BatchPaths) -> set[str]:
    try:
        return set(paths.removed.read_text().split())
    except FileNotFoundError:
        return set()


def _write_tasks(draft: BatchPaths, tasks: Iterable[BatchedTask]) -> None:
    # One file after the other, each synced once: the folder's rename makes them whole together.
    places = []
    with _new_file(draft.tasks) as stream, _new_file(draft.payloads) as payloads:
        for item in tasks:
            line = (json.dumps(item.task) + "\n").encode()
            place = _Place(f"{item.run_id}/{item.submission}", stream.tell(), len(line))
            if item.payload is not None:
                place = replace(
                    place, payload_offset=payloads.tell(), payload_size=len(item.payload)
                )
                payloads.write(item.payload)
            stream.write(line)
            places.append(place.render())
        for each in (stream, payloads):
            each.flush()
            os.fsync(each.fileno())
    write_atomic(draft.runs, "".join(places).encode())


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb")


def _split(name: str) -> tuple[str, int]:
    run_id, _, number = name.partition("/")
    return run_id, int(number)
