"""What is left of a run whose folder was removed by hand: exit records and logs lie outside of it.

A new run of the same name must not be judged by them, nor append to them. They are moved to
`.earlier/<run_id>.<time>/`, where a person finds them and no program reads them. (If they are not
moved, they do no harm either, because they have another token: see `evidence_token`.)
"""

import logging
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.run_folder.paths import RunPaths, run_id_of_exit_record

log = logging.getLogger(__name__)

EARLIER_FOLDER = ".earlier"
_SHOWN = 3
# Up to so many runs are looked at one by one, without listing the folder, which may be very long.
_FEW = 10


def set_aside_remains(runs: Iterable[RunPaths]) -> None:
    """Move away the exit records and logs with the names of runs that have just been made.

    Only for new runs: a run's own logs would be moved, too. Files that cannot be seen or moved
    stay, and a warning is logged.
    """
    by_folder: dict[Path, list[RunPaths]] = {}
    for run in runs:
        by_folder.setdefault(run.output_dir, []).append(run)
    for output_dir, members in by_folder.items():
        try:
            found = _find(output_dir, members)
        except OSError as error:
            log.warning(
                "whether anything is left of earlier runs with the same names cannot be seen in "
                "%s now (%s); if so, it stays there, and does not count",
                output_dir,
                error,
            )
            continue
        moved = [run.run_id for run, files in found if _move(run, files)]
        if moved:
            names = ", ".join(moved[:_SHOWN]) + (", ..." if len(moved) > _SHOWN else "")
            log.warning(
                "logs and exit records of earlier runs with the same name were moved to %s: %s",
                output_dir / EARLIER_FOLDER,
                names,
            )


def earlier_folder(run: RunPaths) -> Path:
    """A new path for files of an earlier run of this name. Nothing is made there."""
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return run.output_dir / EARLIER_FOLDER / f"{run.run_id}.{stamp}"


def remains_of(run: RunPaths) -> list[Path]:
    """Its exit records, by submission, and its logs. Raises OSError if they cannot be seen now."""
    logs, ended = [run.stdout, run.stderr], [run.submission(1).ended]
    while is_there(ended[-1]):
        ended.append(run.submission(len(ended) + 1).ended)
    return ended[:-1] + [path for path in logs if is_there(path)]


def _find(output_dir: Path, runs: list[RunPaths]) -> list[tuple[RunPaths, list[Path]]]:
    found = _find_each if len(runs) <= _FEW else _find_in_listing
    return [(run, files) for run, files in found(output_dir, runs) if files]


def _find_each(_output_dir: Path, runs: list[RunPaths]) -> Iterator[tuple[RunPaths, list[Path]]]:
    for run in runs:
        yield run, remains_of(run)


def _find_in_listing(
    output_dir: Path, runs: list[RunPaths]
) -> Iterator[tuple[RunPaths, list[Path]]]:
    """As `_find_each`, with two listings for all runs: a sweep has thousands of runs."""
    names = set(listing(output_dir))
    ended: dict[str, list[str]] = {}
    for name in listing(runs[0].ended_folder):
        ended.setdefault(run_id_of_exit_record(name), []).append(name)
    for run in runs:
        files = [run.ended_folder / name for name in ended.get(run.run_id, [])]
        yield run, files + [path for path in (run.stdout, run.stderr) if path.name in names]


def _move(run: RunPaths, files: list[Path]) -> bool:
    target = earlier_folder(run)
    try:
        target.mkdir(mode=OWNER_ONLY_FOLDER, parents=True)
        for path in files:
            path.rename(target / path.name)
    except OSError as error:
        log.warning("what is left of an earlier run %s cannot be moved: %s", run.run_id, error)
        return False
    return True
