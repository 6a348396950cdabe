"""One rank's supervisor: has the rank's process and the line to the hub; rank 0's has the hub."""

import signal
import subprocess
import sys

from tmgg.experiment_utils.job.slurm_step import RANK_VARIABLES
from tmgg.experiment_utils.job.stopping import TERMINATED, drop_stop
from tmgg.experiment_utils.ranks.child import RankProcess
from tmgg.experiment_utils.ranks.environment import MeetingPoint, render_environment
from tmgg.experiment_utils.ranks.line import Line
from tmgg.experiment_utils.ranks.options import RankOptions
from tmgg.experiment_utils.ray_cluster import addresses, slurm_facts
from tmgg.experiment_utils.ray_cluster.channel import Message
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.run_folder.rank_paths import hub_file
from tmgg.experiment_utils.run_folder.starts import is_superseded

NO_HUB = 75
_TEARDOWN_S = 2.0
"""So much of the time between Slurm's SIGTERM and SIGKILL is kept to write the result."""
_PASSED_ON = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Supervisor:
    """Runs until the hub orders its end."""

    def __init__(self, options: RankOptions, secret: bytes, environment: dict[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._loop = Loop()
        self._process = RankProcess(
            options, self._loop, on_return=self._returned, on_end=self._process_ended
        )
        self._line = Line(
            self._loop,
            secret,
            rank=options.rank.rank,
            node=options.node,
            on_order=self._obey,
            on_break=self._hub_gone,
        )
        self._hub = None
        if options.rank.rank == 0:
            from tmgg.experiment_utils.ranks.hub import Hub  # a slow import, only for rank 0

            self._hub = Hub(options, self._loop, secret, on_over=self._loop.end)
        self._loop.on_signal(signal.SIGTERM, self._terminated)
        for number in _PASSED_ON:
            self._loop.on_signal(number, lambda number=number: self._process.signal(number))  # type: ignore[misc]

    def run(self) -> int:
        if self._hub is not None:
            self._hub.open()
        self._loop.after(self._options.start_timeout_s, self._too_late)
        self._line.look_for_hub(hub_file(self._options.paths), start=self._options.start)
        code = self._loop.run()
        self._process.sweep()
        return code

    def _obey(self, message: Message) -> None:
        order = message.get("order")
        if order == "start":
            self._start(message)
        elif order == "end":
            self._process.end()
        elif order == "stop":
            self._loop.end(0)

    def _start(self, message: Message) -> None:
        point = MeetingPoint(str(message["address"]), int(message["port"]))
        inherited = {
            name: value for name, value in self._environment.items() if name not in RANK_VARIABLES
        }
        environment = render_environment(
            inherited, self._options.rank, point, interface=self._interface(point)
        )
        self._process.start(environment, message["nodes"])

    def _interface(self, point: MeetingPoint) -> str | None:
        rank = self._options.rank
        if self._options.interface is not None:
            return self._options.interface
        if rank.world_size == rank.local_world_size:
            return None
        own = point.address if rank.node_rank == 0 else addresses.address_towards(point.address)
        return addresses.interface_of_address(own)

    def _returned(self, code: int) -> None:
        self._line.tell({"event": "returned", "code": code})

    def _process_ended(self, code: int, spoke: bool) -> None:
        self._line.tell({"event": "ended", "code": code, "spoke": spoke})

    def _terminated(self) -> None:
        """Slurm sends SIGTERM to every task. The file `stop` asks all ranks to stop.

        Only rank 0's process also gets SIGTERM, which ends it if it does not heed requests to stop.
        """
        paths = self._options.paths
        if not is_superseded(paths, self._options.restart):
            drop_stop(paths, TERMINATED)
        if self._hub is not None:
            wait_s = kill_wait_s()
            self._hub.interrupted(finish_after_s=max(1.0, wait_s - _TEARDOWN_S))
            self._process.signal(signal.SIGTERM)

    def _hub_gone(self) -> None:
        sys.stderr.write(f"tmgg: {self._options.node}: rank 0's supervisor is gone\n")
        self._loop.end(NO_HUB)

    def _too_late(self) -> None:
        if self._hub is not None:
            self._hub.too_late()
        elif not self._line.is_up:
            node, seconds = self._options.node, self._options.start_timeout_s
            sys.stderr.write(
                f"tmgg: {node}: found no rank 0 within {seconds:g} s. "
                "Raise slurm_ray_start_timeout_s where nodes are slow; "
                "else ask for the firewall between them.\n"
            )
            self._loop.end(NO_HUB)


def kill_wait_s() -> float:
    """Seconds between Slurm's SIGTERM and SIGKILL; Slurm's default if it does not answer."""
    try:
        answer = subprocess.run(
            slurm_facts.kill_wait_argv(), capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return slurm_facts.DEFAULT_KILL_WAIT_S
    return slurm_facts.parse_kill_wait(answer.stdout)
