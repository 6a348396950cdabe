"""The environment of a rank's experiment process. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.job.gpu_variables import translated
from tmgg.experiment_utils.job.job_environment import with_own

# Variables of a torchrun in which the submitter ran: torch would look for that torchrun's store.
_FOREIGN = "TORCHELASTIC_"


@dataclass(frozen=True, slots=True)
class MeetingPoint:
    """The address at which rank 0 listens, so that the processes find each other."""

    address: str
    port: int


def render_environment(
    inherited: Mapping[str, str], rank: Rank, point: MeetingPoint, *, interface: str | None
) -> dict[str, str]:
    """Slurm's variables and, with the same numbers, those of torchrun.

    `interface` is the network interface towards rank 0; None if all ranks are on one node.
    """
    environment = {
        name: value
        for name, value in translated(inherited).items()
        if not name.startswith(_FOREIGN)
    }
    environment |= {
        "MASTER_ADDR": point.address,
        "MASTER_PORT": str(point.port),
        "RANK": str(rank.rank),
        "WORLD_SIZE": str(rank.world_size),
        "LOCAL_RANK": str(rank.local_rank),
        "LOCAL_WORLD_SIZE": str(rank.local_world_size),
        "NODE_RANK": str(rank.node_rank),
        "GROUP_RANK": str(rank.node_rank),
        # An srun inside another step does not set these, or sets those of the job.
        "SLURM_NTASKS": str(rank.world_size),
        "SLURM_NPROCS": str(rank.world_size),
        "SLURM_NTASKS_PER_NODE": str(rank.local_world_size),
    }
    if interface is not None:
        # Without this Gloo uses the address of the machine's name; many sites map it to 127.0.1.1.
        name = "GLOO_SOCKET_IFNAME"
        return with_own(environment, {name: environment.get(name, interface)})
    return environment
