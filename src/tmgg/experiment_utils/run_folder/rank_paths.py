"""The files of one rank: most are the submission's; those that a rank writes are its own."""

from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.job.context import Rank, RunNode
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

_ALONE = Rank(rank=0, world_size=1)


@dataclass(frozen=True)
class RankPaths(SubmissionPaths):
    """The paths for one rank. The phases of rank 0 are the run's."""

    rank: Rank = _ALONE
    nodes: tuple[RunNode, ...] = ()
    """The machines of all ranks."""

    @property
    def own_folder(self) -> Path:
        return rank_folder(self, self.rank.rank)

    @property
    def phases(self) -> Path:
        folder = self.folder if self.rank.rank == 0 else self.own_folder
        return folder / "phases"

    @property
    def log(self) -> Path:
        """The output of a rank other than 0; rank 0 prints into the run's logs."""
        return self.own_folder / "log"


def rank_folder(paths: SubmissionPaths, rank: int) -> Path:
    return paths.ranks / str(rank)


def nodes_of_rank(paths: SubmissionPaths) -> tuple[RunNode, ...]:
    """The machines of all ranks; empty if the run has only one process."""
    return paths.nodes if isinstance(paths, RankPaths) else ()


def speaks_for_run(paths: SubmissionPaths) -> bool:
    """Whether this process is the only one, or rank 0."""
    return not isinstance(paths, RankPaths) or paths.rank.rank == 0


def hub_file(paths: SubmissionPaths) -> Path:
    """The file with the address at which rank 0's supervisor listens to the others."""
    return paths.folder / "rank_hub"
