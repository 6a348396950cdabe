"""A Ray actor on each node, which starts and ends runs there by the driver's calls.

Ray transports the calls and reports if the node is lost. The runs are not processes of Ray. So no
process of Ray is forked, and if Ray ends a worker, it does not end a run by that.
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
    """Starts runs on this node and waits for them. Several threads call it."""

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
        """Return (True) when runs can start."""
        self._parent.warm_up()
        return True

    def run(self, order: JsonDict, slot: int) -> int:
        """Start a run, wait for its end, and return its keeper's exit code (negative: killed).

        Raises WarmParentLostError if the run ended because the warm parent did.
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
    """The common environment of this node's runs: the driver's variables, with this node's values.

    `own` is the environment of a Ray worker, which has many variables of Ray. `names` are the
    variables of the driver that runs get.
    """
    environment = {name: own[name] for name in names if name in own}
    if _RAYS_THREADS not in names:
        environment = with_own(environment, {_RAYS_THREADS: str(share.threads)})
    # A check whether there is a GPU must not start CUDA, because a process with CUDA cannot fork.
    environment.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return environment
