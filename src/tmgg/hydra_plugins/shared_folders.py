"""Checks that no two jobs of a sweep write into the same folder, unless the user wants it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.runs_on_record.output_folders import refuse_shared

_CURE = (
    "Put the job's number into hydra.sweep.subdir, as in hydra.sweep.subdir='${hydra.job.num}', "
    "leave output_dir out, or set hydra.launcher.share_output_dir=true if this is meant."
)
_CURE_REPEATED = (
    "If a sweeper asks again for parameters that it had, hydra.launcher.resume=true gives it the "
    "result of the earlier job."
)


@dataclass(frozen=True, slots=True)
class _Writer:
    """A job of a launch, and a folder that it writes into."""

    name: str
    folder: str
    key: str
    launch: int


class Writers:
    """The jobs of all launches of a sweep."""

    def __init__(self) -> None:
        self._writers: list[_Writer] = []
        self._launches = 0

    def begin_launch(self) -> None:
        """Jobs that are added from now on belong to another launch."""
        self._launches += 1

    def add(self, name: str, folders: Sequence[str], *, key: str) -> None:
        """A job with its folders; `key` is the same for jobs of the same content."""
        self._writers += [_Writer(name, folder, key, self._launches) for folder in folders]

    def refuse_shared(self, *, resume: bool) -> None:
        """Raise ConfigError if two jobs write into the same folder.

        With `resume`, a job that an earlier launch also had is the same run, so it does not count.
        """
        launches: dict[tuple[str, str], int] = {}
        for each in self._writers:
            launches.setdefault((each.folder, each.key), each.launch)
        writers = [
            (each.name, each.folder)
            for each in self._writers
            if not resume or launches[each.folder, each.key] == each.launch
        ]
        cure = f"{_CURE} {_CURE_REPEATED}" if self._launches > 1 else _CURE
        refuse_shared(writers, cure=cure)
