"""The files of a batch: many runs of a sweep in a few files, not in thousands.

Batch 0 of a sweep is written before anything is submitted and holds all runs of the sweep. When a
run is submitted, it gets a folder of its own, or becomes a member of one of the batches 1, 2, ...;
there is one of these for each sbatch.

This module reads and writes a batch's files; `batch_index` knows which run is in which batch.
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import OWNER_ONLY, JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.trust import open_trusted, parse_json, read_json, read_trusted
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
from tmgg.experiment_utils.run_folder.paths import (
    LAYOUT_VERSION,
    BatchPaths,
    RunPaths,
    SubmissionPaths,
)
from tmgg.experiment_utils.run_folder.records import parse_record
from tmgg.experiment_utils.run_folder.sharing import make_folder_as, make_new_folder

BatchKind = Literal["waiting", "array", "packed"]
"""`waiting`: not submitted yet. `array`: each run is an element of one job array. `packed`: one job
runs them all."""
WriteScript = Callable[[BatchPaths, BatchPaths], None]
"""Writes a batch's script and intent into the first folder, which is renamed to the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRecord:
    """What the runs of a batch share; the content of `batch.json`. Never changes."""

    kind: BatchKind
    run: JsonDict
    """The content of each run's `run.json`, without `run_id`."""

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
    """The line in the file `runs`, counted from 0; also the index of the array's element."""

    def job_id(self, batch_job_id: str) -> str:
        """The run's job id, from the batch's job id."""
        kind = load_batch(self.batch).kind
        return f"{batch_job_id}_{self.index}" if kind == "array" else batch_job_id

    def task(self) -> JsonDict:
        """The content of the run's `task.json`; raises RecordError when it is damaged."""
        where = self._place()
        with open_trusted(self.batch.tasks) as stream:
            stream.seek(where.offset)
            text = stream.read(where.size)
        return parse_json(text, what=f"line {self.index + 1} of {self.batch.tasks}")

    def payload(self) -> bytes | None:
        """The payload beside the task; None if it has none."""
        where = self._place()
        if where.payload_offset is None:
            return None
        with open_trusted(self.batch.payloads, own=True) as stream:
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
        """Parse one line. Raises ValueError or TypeError."""
        name, *texts = line.split()
        numbers = [int(text) for text in texts]
        if any(number < 0 for number in numbers):
            raise ValueError(f"a negative number in {line!r:.100}")
        return cls(name, *numbers)


def create_batch(
    paths: BatchPaths, record: BatchRecord, tasks: Iterable[BatchedTask], write_script: WriteScript
) -> None:
    """Write all files of a batch, or none; raises OSError when the folder cannot be written."""
    with _draft(paths) as draft:
        _write_tasks(draft, tasks)
        write_json(draft.record, record.to_json())
        write_script(draft, paths)


def create_part(
    paths: BatchPaths,
    record: BatchRecord,
    whole: BatchPaths,
    submissions: Iterable[SubmissionPaths],
    write_script: WriteScript,
) -> bool:
    """As `create_batch`, for runs that the batch `whole` has: their tasks are not written again.

    Returns False, and writes nothing, if `whole` does not have all these runs.
    """
    places = _by_name(whole)
    names = [f"{each.run_paths.run_id}/{each.number}" for each in submissions]
    if not places.keys() >= set(names):
        return False
    with _draft(paths) as draft:
        for source, target in ((whole.tasks, draft.tasks), (whole.payloads, draft.payloads)):
            _share(source, target)
        _write_places(draft, [places[name] for name in names])
        write_json(draft.record, record.to_json())
        write_script(draft, paths)
    return True


@contextlib.contextmanager
def _draft(paths: BatchPaths) -> Iterator[BatchPaths]:
    draft = replace(paths, folder_name=f".{paths.batch_id}.{secrets.token_hex(4)}.tmp")
    try:
        prepare_output_dir(paths.output_dir, [RunPaths.ENDED_NAME, BatchPaths.FOLDER_NAME])
        make_new_folder(draft.folder)
        make_folder_as(draft.logs, draft.folder)
        yield draft
        draft.folder.rename(paths.folder)
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise


def runs_of_batch(paths: BatchPaths) -> list[SubmissionPaths]:
    """The submissions in a batch, in the order of their indices."""
    return [
        RunPaths(paths.output_dir, run_id).submission(number) for run_id, number in names_in(paths)
    ]


@functools.lru_cache(maxsize=64)
def load_batch(paths: BatchPaths) -> BatchRecord:
    """The batch's record. Raises RecordError when it is missing or damaged."""
    value = read_json(paths.record)
    if value is None:
        raise RecordError(f"batch {paths.batch_id} has no {paths.record}")
    return parse_record(BatchRecord, value, what=str(paths.record), newest_version=LAYOUT_VERSION)


@functools.lru_cache(maxsize=8)
def _places(paths: BatchPaths) -> list[_Place]:
    lines = read_trusted(paths.runs).decode(errors="replace").splitlines()
    try:
        return [_Place.parse(line) for line in lines]
    except (TypeError, ValueError) as error:
        raise _damaged(paths, error) from error


@functools.lru_cache(maxsize=2)
def _by_name(paths: BatchPaths) -> dict[str, _Place]:
    return {place.name: place for place in _places(paths)}


def forget_what_was_read() -> None:
    """Read the files of batches again: a new batch may have the name of a removed one."""
    for remembered in (load_batch, _places, _by_name):
        remembered.cache_clear()


def names_in(paths: BatchPaths) -> list[tuple[str, int]]:
    """Run id and submission number of each line of `runs`; raises RecordError if one is damaged."""
    lines = read_trusted(paths.runs).decode(errors="replace").splitlines()
    try:
        return [_split(line.partition(" ")[0]) for line in lines]
    except ValueError as error:
        raise _damaged(paths, error) from error


def _damaged(paths: BatchPaths, error: Exception) -> RecordError:
    return RecordError(f"{paths.runs} is damaged, so the runs in it are not known: {error}")


def removed_from(paths: BatchPaths) -> set[str]:
    try:
        return set(read_trusted(paths.removed).decode(errors="replace").split())
    except FileNotFoundError:
        return set()


def _write_tasks(draft: BatchPaths, tasks: Iterable[BatchedTask]) -> None:
    # Each file is synced once. They appear together, complete, when the folder is renamed.
    places: list[_Place] = []
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
            places.append(place)
        for each in (stream, payloads):
            each.flush()
            os.fsync(each.fileno())
    _write_places(draft, places)


def _write_places(draft: BatchPaths, places: Iterable[_Place]) -> None:
    write_atomic(draft.runs, "".join(place.render() for place in places).encode())


def _share(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
        target.chmod(OWNER_ONLY)


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb")


def _split(name: str) -> tuple[str, int]:
    run_id, _, number = name.partition("/")
    return run_id, int(number)
