"""The best value of each sweep, cached so that results need not be read each time.

Like `list_cache`, it is only for display and closed to other users. An entry counts while the
same runs have completed. If a result could not be read, no value is kept, and the next call
reads the results again.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tmgg.cli.remembered import read_remembered, remember
from tmgg.console.ranking import Ranking
from tmgg.errors import RunError
from tmgg.experiment_utils.run_folder.attempts import newest_submission
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskOutput


class BestValues:
    """The best values of this user's sweeps: of all sweeps, in one file."""

    def __init__(self) -> None:
        self._file = home_folder() / "list" / "best.json"
        self._known = self._read()
        self._kept: dict[str, float | None] = {}

    def best(self, completed: Sequence[RunPaths], ranking: Ranking) -> float | None:
        """The best value. None if no completed run has the metric, or a result cannot be read."""
        key = _key(completed, ranking)
        found = self._kept.get(key, self._known.get(key, ""))
        if found is None or isinstance(found, float | int):
            self._kept[key] = found
            return found
        best, is_sure = _read_best(completed, ranking)
        if is_sure:
            self._kept[key] = best
        return best

    def save(self) -> None:
        """Write the values that were asked for. If this fails, it only costs time later."""
        if self._kept != self._known:
            remember(self._file, self._kept)

    def _read(self) -> dict[str, Any]:
        value = read_remembered(self._file)
        return value if isinstance(value, dict) else {}


def _key(completed: Sequence[RunPaths], ranking: Ranking) -> str:
    folders = sorted({str(paths.output_dir) for paths in completed})
    names = sorted(paths.run_id for paths in completed)
    text = json.dumps([ranking.name, ranking.mode, folders, names])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read_best(completed: Sequence[RunPaths], ranking: Ranking) -> tuple[float | None, bool]:
    """The best value, and whether all results could be read."""
    try:
        outputs = [_read(paths) for paths in completed]
    except OSError:
        return None, False  # a result that cannot be read now may be the best one
    values = [ranking.value(output.metrics) for output in outputs if output is not None]
    known = [value for value in values if value is not None]
    best = min(known, key=lambda value: ranking.key({ranking.name: value}), default=None)
    return best, None not in outputs


def _read(paths: RunPaths) -> TaskOutput | None:
    """None for a result that is damaged or not there. Raises OSError."""
    try:
        return read_result(SubmissionFiles(newest_submission(paths)))[0]
    except RunError:
        return None
