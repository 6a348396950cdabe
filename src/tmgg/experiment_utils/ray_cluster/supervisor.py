"""The common part of the supervisors of the head and of the other nodes."""

import functools
import os
import resource
import signal
import sys
from pathlib import Path

from tmgg.experiment_utils.job.job_exit_codes import TERMINATED
from tmgg.experiment_utils.ray_cluster import addresses, ports, ray_command, ray_logs, slurm_facts
from tmgg.experiment_utils.ray_cluster.children import Children
from tmgg.experiment_utils.ray_cluster.guardian import ORPHANED
from tmgg.experiment_utils.ray_cluster.local_ray import LocalRay
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.ray_cluster.options import NodeOptions

# So much of the time between Slurm's SIGTERM and SIGKILL is kept for clearing up.
_TEARDOWN_S = 3.0
_OPEN_FILES = 65536


class Node:
    """A supervisor with its event loop, children and Ray. Subclasses define what it does."""

    def __init__(self, options: NodeOptions, scratch: Path, secret: bytes) -> None:
        self.options = options
        self.secret = secret
        self.scratch = scratch
        self.loop = Loop()
        self.children = Children(self.loop)
        self.loop.on_signal(signal.SIGTERM, self.terminated)
        self.loop.on_signal(ORPHANED, self._orphaned)
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            self.loop.on_signal(number, functools.partial(self.signalled, number))
        self.is_orphan = False
        self.kill_wait_s = slurm_facts.DEFAULT_KILL_WAIT_S
        _raise_open_files()
        self.environment = ray_command.render_environment(
            os.environ,
            scratch=scratch,
            token=options.paths.ray_token,
            interface=options.interface,
        )
        self.ray = LocalRay(
            self,
            self.loop,
            self.children,
            wishes=options.ports,
            seed=int(options.job_id),
            share=self._share(),
            environment=self.environment,
            log=scratch / "ray_start.log",
        )

    def terminated(self) -> None:
        """This process got SIGTERM, from Slurm or a user."""
        raise NotImplementedError

    def signalled(self, number: signal.Signals) -> None:
        """This process got another signal; ignored unless a subclass overrides this."""

    @property
    def grace_s(self) -> float:
        """How many seconds the experiment may continue after SIGTERM."""
        return max(1.0, self.kill_wait_s - _TEARDOWN_S)

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

    def save_ray_logs(self) -> None:
        """Keep the ends of this node's Ray logs, because the scratch folder will be removed."""
        ray_logs.save(self.scratch, self.options.paths.ray_logs / self.options.node)

    def _orphaned(self) -> None:
        self.is_orphan = True
        self.notice("the supervisor's guardian was killed")
        self.loop.end(TERMINATED)

    def own_address(self, fallback: str) -> str:
        """This node's address for Ray: that of the configured interface, else `fallback`."""
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
    """The job's memory if Slurm allocates none: the machine's, by the job's share of its CPUs."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine * min(cpus, os.cpu_count() or cpus) // (os.cpu_count() or cpus)


def _raise_open_files() -> None:
    # Slurm passes on the submitter's limit, often 1024; a raylet with many workers needs more.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
