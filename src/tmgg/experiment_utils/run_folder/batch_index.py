"""Which run is in which batch, and the records of a run that has no folder of its own yet.

A run of a batch has no folder before its job begins. Until then its records are read from the
batch: `find_member` finds its place there by the run's id. `make_run_folder` makes the folder when
a process has to write in it: the job, or a process that cancels the run or keeps its verdict.
"""

import contextlib
import functools
import logging
import os
import secrets
import shutil
import threading
from dataclasses import replace
from pathlib import Path

from tmgg.errors import ForeignFileError, RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.looking import is_there, says_nothing
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.run_folder.batches import (
    Member,
    forget_what_was_read,
    load_batch,
    names_in,
    removed_from,
)
from tmgg.experiment_utils.run_folder.paths import (
    LAYOUT_VERSION,
    BatchPaths,
    RunPaths,
    SubmissionPaths,
)
from tmgg.experiment_utils.run_folder.sharing import make_folder_as

log = logging.getLogger(__name__)


def find_member(paths: SubmissionPaths) -> Member | None:
    """The place of a submission in its batch; None if it was submitted alone.

    Raises OSError if it may be in a batch that cannot be read now.
    """
    index = _index(paths.run_paths.output_dir)
    name = (paths.run_paths.run_id, paths.number)
    known = index.submitted.get(name) or _noted(paths)
    if known is None:
        index.refresh()
        known = index.submitted.get(name) or index.waiting.get(name)
    if known is None and index.unread is not None:
        raise index.unread
    return known


def _noted(paths: SubmissionPaths) -> Member | None:
    """The place that the job noted in the submission's folder, so that no batch is read for it."""
    try:
        batch_id, index = read_trusted(paths.batch).decode().split()
        return Member(BatchPaths(paths.run_paths.output_dir, batch_id), int(index))
    except OSError as error:
        if says_nothing(error):
            raise
        return None
    except ValueError:  # damaged, or a stranger's file: the batches themselves are read
        return None


def batched_runs(output_dir: Path) -> list[str]:
    """The runs of all batches of a folder, each once."""
    return _index(output_dir).run_ids()


def expect_batched_runs(output_dir: Path) -> list[str]:
    """As `batched_runs`, but raises OSError if there may be batches that cannot be read now."""
    index = _index(output_dir)
    run_ids = index.run_ids()
    if index.unread is not None:
        raise index.unread
    return run_ids


def read_batched_run(paths: RunPaths) -> JsonDict | None:
    """The content that `run.json` of a run in a batch would have; None if it is in no batch."""
    member = find_member(paths.submission(1))
    if member is None:
        return None
    return {"version": LAYOUT_VERSION, **load_batch(member.batch).run, "run_id": paths.run_id}


def read_batched_task(paths: RunPaths) -> JsonDict | None:
    """The content that `task.json` of a run in a batch would have; None if it is in no batch."""
    member = find_member(paths.submission(1))
    return None if member is None else member.task()


def make_run_folder(paths: SubmissionPaths) -> None:
    """Make the folders of a run in a batch, if they are not there. Raises OSError."""
    member = None if is_there(paths.folder) else find_member(paths)
    if member is None:
        return
    for folder in (paths.run_paths.folder, paths.folder):
        make_folder_as(folder, member.batch.folder, exist_ok=True)


def fill_run_folder(paths: SubmissionPaths) -> None:
    """Write the records of a run in a batch into its folder, as any other run has them there.

    Several processes may do so at once: they write the same content. Raises OSError.
    """
    run = paths.run_paths
    member = None if is_there(run.run) else find_member(paths)
    if member is None:
        return
    make_run_folder(paths)
    payload = member.payload()
    if payload is not None:
        write_atomic(run.payload, payload)
    write_json(run.task, member.task())
    record = {"version": LAYOUT_VERSION, **load_batch(member.batch).run, "run_id": run.run_id}
    write_json(run.run, record)


def note_removed(paths: RunPaths) -> None:
    """Note in its batches that a run was removed. A batch without runs is removed, too."""
    index = _index(paths.output_dir)
    for batch in index.batches_of(paths):
        with batch.removed.open("a") as stream:
            stream.write(f"{paths.run_id}\n")
            size = stream.tell()
        index.forget_run(batch, paths)
        # Only when the file is long enough are all names compared: a batch has thousands of runs.
        if size >= index.size_when_all_are_removed(batch) and _all_are_removed(batch):
            shutil.rmtree(batch.folder, ignore_errors=True)
            index.drop(batch.batch_id)


def _all_are_removed(batch: BatchPaths) -> bool:
    return {run_id for run_id, _number in names_in(batch)} <= removed_from(batch)


def withdraw_batch(paths: BatchPaths) -> None:
    """Remove a batch that the backend certainly did not take, as if it had never been written."""
    doomed = replace(paths, folder_name=f".{paths.batch_id}.{secrets.token_hex(4)}.tmp").folder
    with contextlib.suppress(OSError):
        paths.folder.rename(doomed)  # so that no process sees a part of it
    for folder in (doomed, paths.folder):
        shutil.rmtree(folder, ignore_errors=True)
    forget_batch(paths)


def expect_batches(output_dir: Path) -> None:
    """Raise OSError if a folder may have batches that cannot be read now."""
    index = _index(output_dir)
    index.refresh()
    if index.unread is not None:
        raise index.unread


def forget_batch(paths: BatchPaths) -> None:
    """Read again, at the next question, where its runs are."""
    forget_what_was_read()
    _index(paths.output_dir).drop(paths.batch_id)


def knows_batches(output_dir: Path) -> bool:
    """Whether this process has seen batches in the folder, and expects to see them again."""
    return _index(output_dir).knows_any


def forget_batches(output_dir: Path) -> None:
    """Forget all batches of a folder that was removed: they will not be seen again."""
    forget_what_was_read()
    _index(output_dir).drop_all()


_Members = dict[tuple[str, int], Member]


class _Index:
    """Which run is in which batch of an output folder. Batches never change; new ones are added."""

    def __init__(self, output_dir: Path) -> None:
        self.submitted: _Members = {}
        self.waiting: _Members = {}
        """Runs of the batches 0, which are to be submitted. They may be in `submitted` by now."""
        self._output_dir = output_dir
        self.unread: OSError | None = None
        """Why the last look may not have seen all batches; None if it has."""
        self._known: set[str] = set()
        self._sizes: dict[str, int] = {}
        """By batch: see `size_when_all_are_removed`."""
        self._lock = threading.RLock()
        """Futures are watched in a thread, while another submits."""

    def run_ids(self) -> list[str]:
        """All runs, each once."""
        with self._lock:
            self._refresh()
            names = [*self.submitted, *self.waiting]
        return list(dict.fromkeys(run_id for run_id, _number in names))

    def refresh(self) -> None:
        """List the batches. A listing makes an NFS client ask its server again."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        try:
            names = set(os.listdir(self._output_dir / BatchPaths.FOLDER_NAME))  # noqa: PTH208
        except OSError as error:
            # TMGG never removes this folder, so its known batches will be seen again, unless a
            # user has removed the whole output folder: see `removed_folder`.
            self.unread = error if self._known or says_nothing(error) else None
            return
        self.unread = None
        for gone in self._known - names:
            self.drop(gone)
        for name in sorted(names - self._known):
            if not name.startswith("."):
                self._add(BatchPaths(self._output_dir, name))

    def batches_of(self, run: RunPaths) -> list[BatchPaths]:
        """The batches that hold a submission of the run."""
        self.refresh()
        names = self._names_of(run)
        found = [members[name] for members in self._both for name in names if name in members]
        return list(dict.fromkeys(member.batch for member in found))

    def forget_run(self, batch: BatchPaths, run: RunPaths) -> None:
        """Note that the run is not in the batch any more."""
        with self._lock:
            for members in self._both:
                for name in self._names_of(run):
                    if name in members and members[name].batch == batch:
                        del members[name]

    def size_when_all_are_removed(self, batch: BatchPaths) -> int:
        """The least size in bytes of the batch's file `removed` when it names all runs."""
        return self._sizes.get(batch.batch_id, 0)

    @property
    def _both(self) -> tuple[_Members, _Members]:
        return self.submitted, self.waiting

    def _names_of(self, run: RunPaths) -> list[tuple[str, int]]:
        # The first submission has no folder before its job begins; each later one has a folder.
        return [(run.run_id, number) for number in {1, *run.submission_numbers()}]

    def drop(self, batch_id: str) -> None:
        """Forget a batch; the next refresh reads it again if it still exists."""
        with self._lock:
            self._known.discard(batch_id)
            for members in self._both:
                of_batch = [n for n, found in members.items() if found.batch.batch_id == batch_id]
                for name in of_batch:
                    del members[name]

    @property
    def knows_any(self) -> bool:
        """Whether a batch was seen that was not removed since."""
        with self._lock:
            return bool(self._known)

    def drop_all(self) -> None:
        """Forget all batches, as if the folder had never been listed."""
        with self._lock:
            for batch_id in list(self._known):
                self.drop(batch_id)
            self.unread = None

    def _add(self, batch: BatchPaths) -> None:
        try:
            removed = removed_from(batch)
            names = names_in(batch)
        except RecordError as error:
            # It is damaged, or another user's. Neither will change, so it is not read again.
            self._known.add(batch.batch_id)
            if not isinstance(error, ForeignFileError):
                log.warning("%s", error)
            return
        except OSError as error:
            # Not for a batch that is being removed, or that another user keeps closed.
            if says_nothing(error) and not _is_foreign(batch):
                self.unread = error
            return
        self._known.add(batch.batch_id)
        self._sizes[batch.batch_id] = sum(len(run_id) + 1 for run_id in {name for name, _ in names})
        members = self.waiting if batch.is_waiting else self.submitted
        for number, name in enumerate(names):
            # If two batches have one run, the first counts; the job of the other ends unused.
            if name[0] not in removed:
                members.setdefault(name, Member(batch, number))


def _is_foreign(batch: BatchPaths) -> bool:
    try:
        return batch.folder.stat().st_uid != os.geteuid()
    except OSError:
        return False


@functools.cache
def _index(output_dir: Path) -> _Index:
    return _Index(output_dir)
