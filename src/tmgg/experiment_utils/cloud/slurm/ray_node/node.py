"""What the supervisors of head and other nodes have in common."""

import os
import signal
import sys
from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.ray_node import addresses, ports, ray_command
from tmgg.experiment_utils.cloud.slurm.ray_node.children import Children
from tmgg.experiment_utils.cloud.slurm.ray_node.local_ray import LocalRay
from tmgg.experiment_utils.cloud.slurm.ray_node.loop import Loop
from tmgg.experiment_utils.cloud.slurm.ray_node.options import NodeOptions

NO_RAY_START = 75
TERMINATED = 128 + signal.SIGTERM


class Node:
    """A supervisor: its loop, its children, its Ray. Subclasses say what happens."""

    def __init__(self, options: NodeOptions, scratch: Path, secret: bytes) -> None:
        self.options = options
        self.secret = secret
        self.loop = Loop()
        self.children = Children(self.loop)
        self.loop.on_signal(signal.SIGTERM, self.terminated)
        self.environment = ray_command.render_environment(
            os.environ,
            scratch=scratch,
            token=options.paths.ray_token,
            interface=options.interface,
        )
        self.ray = LocalRay(
            self,
            self.children,
            wishes=options.ports,
            seed=int(options.job_id),
            share=self._share(),
            environment=self.environment,
            log=scratch / "ray_start.log",
        )

    def terminated(self) -> None:
        """Slurm, or somebody, asked this process to end."""
        self.loop.end(TERMINATED)

    def spared(self) -> list[int]:
        return []

    def notice(self, text: str) -> None:
        sys.stderr.write(f"tmgg: {self.options.node}: {text}\n")
        sys.stderr.flush()

    def ray_up(self, plan: ports.PortPlan) -> None:
        raise NotImplementedError

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        raise NotImplementedError

    def ray_lost(self, why: str) -> None:
        raise NotImplementedError

    def own_address(self, fallback: str) -> str:
        """This node's address for Ray: of the interface asked for, else `fallback`."""
        if self.options.interface is not None:
            return addresses.address_of_interface(self.options.interface)
        return fallback

    def _share(self) -> ray_command.Share:
        options = self.options
        memory = options.memory_bytes or _fair_memory(options.cpus)
        shared = os.statvfs("/dev/shm")
        return ray_command.divide(
            cpus=options.cpus,
            gpus=options.gpus,
            memory_bytes=memory,
            shared_memory_bytes=shared.f_bavail * shared.f_frsize,
            asked_bytes=options.object_store_bytes,
        )


def _fair_memory(cpus: int) -> int:
    """Where Slurm hands out no memory: the machine's, by the job's share of its CPUs."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine * min(cpus, os.cpu_count() or cpus) // (os.cpu_count() or cpus)
