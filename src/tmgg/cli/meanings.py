"""Decides which runs a user means by a text for a run or a sweep. The only place that does.

The possible meanings, the surest first: the place of a run or a sweep, as commands show it; a
whole id; `last`; the beginning of run ids, a job id, or the name of a sweep; a part of run ids. If
several meanings are equally sure, the text is refused.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.cli.job_numbers import runs_of_job
from tmgg.cli.known_sweeps import KnownSweep, known_sweeps, noted_at, read_sweep
from tmgg.cli.unseen import render_unseen
from tmgg.errors import ConfigError, ForeignFileError, RecordError, UnknownRunError, UnreadableError
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.doctor_runs import is_doctors
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.readable import reading
from tmgg.experiment_utils.run_folder.registry import is_recorded
from tmgg.experiment_utils.run_folder.run_folders import FolderLook, look_into
from tmgg.experiment_utils.run_folder.sweeps import sweep_of, sweep_paths_of

LAST = "last"
LEAST_PART = 3
"""The least length of a part of an id; a shorter text is probably a typing error."""
_CANDIDATES_SHOWN = 4
# The ids of Slurm's jobs, and of elements of its job arrays.
_NUMBER = re.compile(r"\d+(_\d+)?")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One run, or the runs of one sweep."""

    runs: tuple[RunPaths, ...]
    sweep: SweepPaths | None = None
    """None if the text means a single run."""
    removed: tuple[RunPaths, ...] = ()
    """Runs of the sweep that are not on record any more."""

    @property
    def is_one_run(self) -> bool:
        return len(self.runs) == 1

    def render(self) -> str:
        """For a list of candidates."""
        if self.sweep is None:
            return str(self.runs[0].folder)
        number = "1 run" if self.is_one_run else f"{len(self.runs)} runs"
        return f"{self.sweep.output_dir}/{self.sweep.sweep_id} (a sweep, {number})"


def meaning_of(text: str, folders: Sequence[Path]) -> Meaning:
    """The run or the sweep that is meant.

    Raises UnknownRunError if there is none, ConfigError if there are several, UnreadableError if
    a folder that cannot be read now may have others.
    """
    if (placed := _at_place(text)) is not None:
        return placed
    problem: UnreadableError | None = None
    try:
        whole = _whole_sweep(text, folders)
    except UnreadableError as error:
        whole, problem = None, error
    if whole is not None:
        return whole
    looks = _looks(text, folders) if text else {}
    beginning = [paths for look in looks.values() for paths in look.runs]
    exact = [paths for paths in beginning if paths.run_id == text]
    if exact:
        return _only(text, [Meaning((paths,)) for paths in exact])
    if problem is not None:
        raise problem  # `text` may be a sweep's id, and not all its runs' ids begin with that
    # A folder that does not answer may have the run.
    _expect_whole(looks)
    meanings = _unsure(text, folders, beginning) if text else []
    if not meanings:
        if text == LAST:
            raise UnknownRunError(
                "nothing was submitted yet, so there is no last run. " + _places(folders)
            )
        _refuse_closed(text, looks)
        raise _unknown(text, folders)
    return _only(text, meanings)


def refuse_many(text: str, meaning: Meaning) -> ConfigError:
    """The error for a sweep where one run is needed."""
    return _ambiguous(text, [Meaning((paths,)) for paths in meaning.runs])


def _at_place(text: str) -> Meaning | None:
    """The run or sweep at `FOLDER/ID`; this form distinguishes two runs with the same id."""
    folder, slash, name = os.path.expanduser(text).rpartition("/")  # noqa: PTH111 - may be no path
    if not (slash and name):
        return None
    output_dir = Path(folder or slash).absolute()
    paths = RunPaths(output_dir, name)
    with reading(output_dir):
        if is_recorded(paths):
            return Meaning((paths,))
    return _whole_sweep(name, [output_dir])


def _whole_sweep(text: str, folders: Iterable[Path]) -> Meaning | None:
    """The sweep with this id and its runs on record, in the order of its configs, or None.

    Raises UnreadableError if it may be in a folder that cannot be read now.
    """
    if sweep_of(f"{text}-0") != text:
        return None
    problem: UnreadableError | None = None
    for folder in folders:
        paths = SweepPaths(folder, text)
        try:
            record = read_sweep(paths)
        except UnreadableError as error:
            problem = error
            continue
        except RecordError:
            continue  # damaged, or another user's; the runs can still be found by their ids
        if record is not None and (runs := _recorded(KnownSweep(paths, record))):
            return _sweep_of(KnownSweep(paths, record), runs)
    if problem is not None:
        raise problem
    return None


def _recorded(sweep: KnownSweep) -> tuple[RunPaths, ...]:
    with reading(sweep.paths.output_dir):
        return tuple(paths for paths in sweep.runs if is_recorded(paths))


def _sweep_of(sweep: KnownSweep, runs: tuple[RunPaths, ...]) -> Meaning:
    left = {*runs}
    return Meaning(runs, sweep.paths, tuple(each for each in sweep.runs if each not in left))


def _unsure(text: str, folders: Sequence[Path], beginning: Sequence[RunPaths]) -> list[Meaning]:
    sweeps = known_sweeps(folders)
    if text == LAST:
        return _newest(folders, sweeps)
    named = [sweep for sweep in sweeps if sweep.record.name == text]
    found = [*beginning]
    is_number = _NUMBER.fullmatch(text) is not None
    if is_number:
        # The number may also be the beginning of run ids (a date), so both meanings count.
        found += _of_job(text, folders)
    if not (found or named):
        found = ([] if is_number else _of_job(text, folders)) or _with_part(text, folders)
    whole = [_sweep_of(sweep, runs) for sweep in named if (runs := _recorded(sweep))]
    members = {paths for meaning in whole for paths in meaning.runs}
    rest = dict.fromkeys(paths for paths in found if paths not in members)
    return [*_grouped(rest, sweeps), *whole]


def _newest(folders: Sequence[Path], sweeps: Sequence[KnownSweep]) -> list[Meaning]:
    """The sweep or run that this user launched last; runs of `tmgg-jobs doctor` do not count."""
    members = {paths for sweep in sweeps for paths in sweep.runs}
    others = [paths for paths in _all_runs(folders) if paths not in members]
    alone = [paths for paths in others if not is_doctors(paths.run_id)]
    records = [(sweep.paths.record, sweep) for sweep in sweeps]
    found: list[tuple[Path, KnownSweep | RunPaths]] = [
        *records,
        *((paths.run, paths) for paths in alone),
    ]
    noted = [(at, what) for record, what in found if (at := noted_at(record)) is not None]
    for _at, newest in sorted(noted, key=lambda pair: pair[0], reverse=True):
        if isinstance(newest, RunPaths):
            return [Meaning((newest,))]
        if runs := _recorded(newest):
            return [_sweep_of(newest, runs)]
    return []


def _of_job(text: str, folders: Sequence[Path]) -> list[RunPaths]:
    found = []
    for folder, look in _whole_looks(folders).items():
        with reading(folder):
            found += runs_of_job(text, look.runs)
    return found


def _with_part(text: str, folders: Sequence[Path]) -> list[RunPaths]:
    if len(text) < LEAST_PART:
        return []
    found = [paths for paths in _all_runs(folders) if text in paths.run_id]
    # A narrow table shows only the ends of ids, so they count first: 9f2c01ab-1 is an end of one
    # id, and only a part of another one, which ends in 9f2c01ab-10.
    return [paths for paths in found if paths.run_id.endswith(f"-{text}")] or found


def _all_runs(folders: Sequence[Path]) -> list[RunPaths]:
    return [paths for look in _whole_looks(folders).values() for paths in look.runs]


def _whole_looks(folders: Sequence[Path]) -> dict[Path, FolderLook]:
    looks = _looks("", folders)
    _expect_whole(looks)
    return looks


def _grouped(runs: Iterable[RunPaths], sweeps: Iterable[KnownSweep]) -> list[Meaning]:
    """Several runs of one sweep are one meaning; a single run is a meaning of its own."""
    member_of = {paths: sweep.paths for sweep in sweeps for paths in sweep.runs}
    groups: dict[SweepPaths | RunPaths, list[RunPaths]] = {}
    for paths in runs:
        by_id = sweep_paths_of(paths) or paths
        groups.setdefault(member_of.get(paths, by_id), []).append(paths)
    return [
        Meaning(tuple(group), key if isinstance(key, SweepPaths) and len(group) > 1 else None)
        for key, group in groups.items()
    ]


def _looks(text: str, folders: Sequence[Path]) -> dict[Path, FolderLook]:
    return {folder: look_into(folder, prefix=text) for folder in folders}


def _expect_whole(looks: Mapping[Path, FolderLook]) -> None:
    for folder, look in looks.items():
        if look.problem is not None:
            with reading(folder):
                raise look.problem


def _refuse_closed(text: str, looks: Mapping[Path, FolderLook]) -> None:
    """Raise ForeignFileError if the text may mean a run that its owner does not share."""
    closed = {folder: look for folder, look in looks.items() if look.closed or look.closed_by}
    if closed:
        raise ForeignFileError(
            f"you may not read any run that begins with {text!r}: "
            + "; ".join(render_unseen(closed))
            + ". Their owners can open their records to the team (docs/security.md)."
        )


def _unknown(text: str, folders: Sequence[Path]) -> UnknownRunError:
    return UnknownRunError(
        f"no run begins with {text!r} or has it in its id, and no job or sweep has this name. "
        f"`tmgg-jobs list --all` shows all runs. {_places(folders)}"
    )


def _places(folders: Sequence[Path]) -> str:
    places = ", ".join(map(_place, folders)) or "no folder at all"
    return f"Looked in {places}; --folder DIR looks elsewhere."


def _place(folder: Path) -> str:
    try:
        return str(folder) if is_there(folder) else f"{folder} (not there now)"
    except OSError as error:
        raise UnreadableError(f"the runs in {folder} cannot be read now ({error})") from error


def _only(text: str, meanings: Sequence[Meaning]) -> Meaning:
    if len(meanings) > 1:
        raise _ambiguous(text, meanings)
    return meanings[0]


def _ambiguous(text: str, meanings: Sequence[Meaning]) -> ConfigError:
    number = sum(len(meaning.runs) for meaning in meanings)
    shown = [meaning.render() for meaning in meanings[:_CANDIDATES_SHOWN]]
    if more := len(meanings) - len(shown):
        shown[-1] = f"and {more + 1} more"
    lines = "".join(f"\n  {line}" for line in shown)
    return ConfigError(
        f"{text!r} means {number} runs. Give one of these as it stands here, more of the id, or "
        "the folder with --folder DIR:" + lines
    )
