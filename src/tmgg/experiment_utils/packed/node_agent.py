"""One node's hand: what runs there, started and ended on the driver's word. A Ray actor.

Ray brings the calls and tells when the node is lost; the runs themselves are not Ray's processes,
so nothing of Ray is forked and Ray's end of a worker is not a run's.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.job.gpu_variables import visible_devices
from tmgg.experiment_utils.job.job_environment import with_own
from tmgg.experiment_utils.packed.fork_server_client import WarmParent, Warmth
from tmgg.experiment_utils.packed.keeper import OUT_OF_TIME
from tmgg.experiment_utils.packed.node_share import Share, divide
from tmgg.experiment_utils.packed.run_order import Order

_RAYS_THREADS = "OMP_NUM_THREADS"


class NodeAgent:
    """Runs orders on this node. Its calls come from several threads."""

    def __init__(
        self, *, runs_at_once: int, cpus: int, names: Sequence[str], warmth: Warmth
    ) -> None:
        self._shares = divide(
            runs=runs_at_once,
            cpus=cpus,
            affinity=sorted(os.sched_getaffinity(0)),
            gpus=visible_devices(os.environ),
        )
        environment = render_environment(dict(os.environ), names, self._shares[0])
        self._parent = WarmParent(warmth, environment)

    def warm_up(self) -> bool:
        """Return when runs can start."""
        self._parent.warm_up()
        return True

    def run(self, order: JsonDict, slot: int) -> int:
        """Wait for the end of a run; its keeper's exit code, negative when that was killed.

        Raises WarmParentLostError when the run was lost with the process above it.
        """
        given, share = Order.from_json(order), self._shares[slot]
        environment = given.environment | share.environment
        return self._parent.run(replace(given, environment=environment, cpus=share.cpus))

    def end_for_time(self) -> None:
        """The allocation's time is nearly over: end all runs."""
        self._parent.signal_all(OUT_OF_TIME)

    def terminate(self) -> None:
        """The allocation is being ended: ask all runs to end."""
        self._parent.signal_all(signal.SIGTERM)


def render_environment(own: dict[str, str], names: Sequence[str], share: Share) -> dict[str, str]:
    """What the runs of this node have in common: what the driver has, by this node's values.

    `own` is a Ray worker's environment, which holds much of Ray's own; `names` are the variables
    that a process of the job has.
    """
    environment = {name: own[name] for name in names if name in own}
    if _RAYS_THREADS not in names:
        environment = with_own(environment, {_RAYS_THREADS: str(share.threads)})
    # Looking whether there is a GPU must not start CUDA, which a fork would break.
    environment.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return environment
