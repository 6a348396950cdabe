"""The files of one rank of a submission: most are the submission's, what it leaves is its own."""

from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.job.context import Rank, RunNode
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

_ALONE = Rank(rank=0, world_size=1)


@dataclass(frozen=True)
class RankPaths(SubmissionPaths):
    """As rank 0 sees it, the phases of its process are the run's."""

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
        """What it prints, unless it is rank 0, which prints into the run's logs."""
        return self.own_folder / "log"


def rank_folder(paths: SubmissionPaths, rank: int) -> Path:
    return paths.ranks / str(rank)


def nodes_of_rank(paths: SubmissionPaths) -> tuple[RunNode, ...]:
    """The machines of all ranks; none where there is but one process."""
    return paths.nodes if isinstance(paths, RankPaths) else ()


def speaks_for_run(paths: SubmissionPaths) -> bool:
    """Whether this process is the only one, or rank 0."""
    return not isinstance(paths, RankPaths) or paths.rank.rank == 0


def hub_file(paths: SubmissionPaths) -> Path:
    """Where rank 0's supervisor says under which address the others find it."""
    return paths.folder / "rank_hub"
