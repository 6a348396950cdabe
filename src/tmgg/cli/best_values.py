"""The best value of each sweep, cached so that results need not be read each time.

For display only, as `list_cache`, and as closed. An entry counts while the same runs
have completed.
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


class BestValues:
    """The best values of this user's sweeps: of all sweeps, in one file."""

    def __init__(self) -> None:
        self._file = home_folder() / "list" / "best.json"
        self._known = self._read()
        self._kept: dict[str, float | None] = {}

    def best(self, completed: Sequence[RunPaths], ranking: Ranking) -> float | None:
        """None where no run that completed has the metric."""
        key = _key(completed, ranking)
        if key not in self._kept:
            found = self._known.get(key, "")
            is_known = found is None or isinstance(found, float | int)
            self._kept[key] = found if is_known else _read_best(completed, ranking)
        return self._kept[key]

    def save(self) -> None:
        """Keep what was asked for. Failing only costs time."""
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


def _read_best(completed: Sequence[RunPaths], ranking: Ranking) -> float | None:
    values = [_value(paths, ranking) for paths in completed]
    known = [value for value in values if value is not None]
    return min(known, key=lambda value: ranking.key({ranking.name: value}), default=None)


def _value(paths: RunPaths, ranking: Ranking) -> float | None:
    try:
        output, _problem = read_result(SubmissionFiles(newest_submission(paths)))
    except (RunError, OSError):
        return None
    return None if output is None else ranking.value(output.metrics)
