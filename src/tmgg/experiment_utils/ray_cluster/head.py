"""The supervisor of the head: waits for the other nodes, then runs the experiment."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY, RAY_FAILED, TERMINATED, shell_code
from tmgg.experiment_utils.ray_cluster import (
    addresses,
    channel,
    clear_node,
    head_address_file,
    ports,
    slurm_facts,
    task_ends,
)
from tmgg.experiment_utils.ray_cluster.head_address import head_address
from tmgg.experiment_utils.ray_cluster.options import NodeOptions
from tmgg.experiment_utils.ray_cluster.supervisor import Node
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart

_SWEEP_TIMEOUT_S = 20.0
_LAST_WORDS_S = 10.0
# How long a connection may take to prove that it belongs to the job.
_PROOF_TIMEOUT_S = 60.0
_ENTRYPOINT = "tmgg.experiment_utils.ray_cluster.entrypoint"


@dataclass
class _Guest:
    """A connection to the head; trusted after its proof, when `rank` is set."""

    channel: channel.Channel | None
    nonce: str
    name: str = ""
    rank: int | None = None
    up: bool = False


class HeadNode(Node):
    """Starts Ray's head, waits for every node, runs the entrypoint, and ends all nodes."""

    def __init__(self, options: NodeOptions, scratch: Path, secret: bytes) -> None:
        super().__init__(options, scratch, secret)
        self._guests: list[_Guest] = []
        self._gcs_address = ""
        self._own = ""
        self._entrypoint: subprocess.Popen[bytes] | None = None
        self._go = -1
        self._ending = False

    def run(self) -> int:
        self.ray.prepare()
        self._prepare_entrypoint()
        self._ask_kill_wait()
        self.loop.after(self.options.start_timeout_s, self._too_late)
        self._own = self.own_address(self._default_address())
        listener = self.ray.claim_block().listener
        self.loop.watch(listener.fileno(), lambda: self._accept(listener))
        port = int(listener.getsockname()[1])
        head_address_file.publish(
            self.options.paths.ray_head, (self._own, port), start=self.options.start
        )
        if self.options.step_log is not None:
            task_ends.watch(self.loop, self.options.step_log, self._look_for_absent)
        self.ray.start(self._own, None)
        code = self.loop.run()
        for guest in list(self._guests):  # a copy: sending may remove a broken connection
            self._tell(guest, {"order": "stop"})
        # If the file is still there, the job script concludes that the head was killed.
        paths = self.options.paths
        if not self.is_orphan and not is_superseded(paths, own_restart()):
            paths.ray_head.unlink(missing_ok=True)
        return code

    def ray_up(self, plan: ports.PortPlan) -> None:
        write_phase(self.options.paths, "ray_head_up")
        self._gcs_address = addresses.with_port(self._own, plan.components["gcs"])
        for guest in list(self._guests):
            if guest.rank is not None:
                self._tell_start(guest)
        self._check_complete()

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        self.save_ray_logs()
        self._give_up(f"{self.options.node}: {why}", NO_RAY if no_ray else RAY_FAILED)

    def ray_lost(self, why: str) -> None:
        self.notice(why)
        self.save_ray_logs()
        write_phase(self.options.paths, "ray_head_lost")
        # The experiment gets some time to report the error itself; it must not wait for ever for a
        # Ray that is gone. No SIGTERM: Ray's handler would report a SystemExit, not the cause.
        self.loop.after(_LAST_WORDS_S, lambda: self.loop.end(RAY_FAILED))

    def spared(self) -> list[int]:
        return [] if self._entrypoint is None else [self._entrypoint.pid]

    def terminated(self) -> None:
        if self._go >= 0 or self._entrypoint is None:
            self.loop.end(TERMINATED)
        elif not self._ending:
            self._ending = True
            os.kill(self._entrypoint.pid, signal.SIGTERM)
            self.loop.after(self.grace_s, lambda: self.loop.end(TERMINATED))

    def signalled(self, number: signal.Signals) -> None:
        if self._go < 0 and self._entrypoint is not None:
            os.kill(self._entrypoint.pid, number)

    def _default_address(self) -> str:
        launch = self.options.launch_address
        if launch and addresses.is_own(launch):
            return launch
        return head_address(slurm_facts.expand_node_names(self.options.nodelist))

    def _ask_kill_wait(self) -> None:
        answer = self.scratch / "slurm_config"

        def read(_code: int) -> None:
            self.kill_wait_s = slurm_facts.parse_kill_wait(answer.read_text(errors="replace"))

        with answer.open("wb") as stream, contextlib.suppress(FileNotFoundError):
            self.children.spawn(
                slurm_facts.kill_wait_argv(),
                environment=os.environ,
                stdout=stream,
                stderr=subprocess.DEVNULL,
                on_exit=read,
            )

    def _prepare_entrypoint(self) -> None:
        reading, self._go = os.pipe()
        self._entrypoint = self.children.spawn(
            [
                *(sys.executable, *self.options.python_options),
                *("-u", "-m", _ENTRYPOINT, str(reading)),
                *(str(self.options.paths.folder), *self.options.entrypoint),
            ],
            environment=self.environment,
            on_exit=self._entrypoint_ended,
            pass_fds=[reading],
        )
        os.close(reading)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        guest = _Guest(None, channel.new_nonce())
        guest.channel = channel.Channel(
            self.loop,
            connection,
            on_message=lambda message: self._on_message(guest, message),
            on_close=lambda: self._on_close(guest),
        )
        self._guests.append(guest)
        self.loop.after(_PROOF_TIMEOUT_S, lambda: self._turn_away_stranger(guest))
        self._tell(guest, {"nonce": guest.nonce})

    def _turn_away_stranger(self, guest: _Guest) -> None:
        if guest.rank is None and guest in self._guests:
            assert guest.channel is not None
            guest.channel.close()
            self._guests.remove(guest)

    def _on_message(self, guest: _Guest, message: channel.Message) -> None:
        if guest.rank is None:
            self._shake_hands(guest, message)
        elif message.get("event") == "up":
            guest.up = True
            self._check_complete()
        elif message.get("event") == "failed":
            code = NO_RAY if message.get("no_ray") else RAY_FAILED
            self._give_up(f"{guest.name}: {message.get('why')}", code)
        elif message.get("event") == "lost":
            self._node_lost(guest, str(message.get("why")))

    def _shake_hands(self, guest: _Guest, message: channel.Message) -> None:
        proven = channel.is_proof(message.get("proof"), self.secret, role="node", nonce=guest.nonce)
        if not proven:
            self._turn_away_stranger(guest)
            return
        guest.rank, guest.name = int(message["rank"]), str(message["node"])
        self._tell(
            guest, {"proof": channel.prove(self.secret, role="head", nonce=message["nonce"])}
        )
        if self._gcs_address:
            self._tell_start(guest)

    def _on_close(self, guest: _Guest) -> None:
        self._guests.remove(guest)
        if guest.rank is not None:
            self._node_lost(guest, "its supervisor is gone")
            self._sweep(guest.name)

    def _sweep(self, node: str) -> None:
        """Clear up on a node whose supervisor may have been killed; fails if the node is down."""
        command = clear_node.render_sweep(
            sys.executable,
            job_id=self.options.job_id,
            node=node,
            folder=self.options.paths.folder,
            scratch_parent=self.scratch.parent,
        )
        sweeper = self.children.spawn(
            command,
            environment=clear_node.without_step(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            on_exit=lambda _code: limit.cancel(),
        )
        limit = self.loop.after(_SWEEP_TIMEOUT_S, sweeper.kill)

    def _node_lost(self, guest: _Guest, why: str) -> None:
        if self._go >= 0:
            self._give_up(f"{guest.name}: {why}", RAY_FAILED)
            return
        self.notice(f"lost {guest.name}: {why}; the experiment goes on without it")
        write_phase(self.options.paths, "ray_node_lost")

    def _check_complete(self) -> None:
        up = sum(1 for guest in self._guests if guest.up)
        if self._go < 0 or not self._gcs_address or up + 1 < self.options.nodes:
            return
        write_phase(self.options.paths, "ray_nodes_up")
        with os.fdopen(self._go, "w") as pipe:
            pipe.write(json.dumps({"TMGG_RAY_ADDRESS": self._gcs_address}) + "\n")
        self._go = -1
        self.ray.settle()

    def _entrypoint_ended(self, code: int) -> None:
        self.loop.end(shell_code(code))

    def _look_for_absent(self, ends: list[task_ends.TaskEnd]) -> bool:
        """End the job if a task ended before it has connected; return whether to look again."""
        if self._go < 0:
            return False
        known = {guest.rank for guest in self._guests} | {self.options.rank}
        absent = [end for end in ends if end.rank not in known]
        for end in absent[:1]:
            self._give_up(f"{end.node}: {end.words}", RAY_FAILED)
        return not absent

    def _too_late(self) -> None:
        if self._go < 0:
            return
        present = {guest.name for guest in self._guests if guest.up} | {self.options.node}
        names = slurm_facts.expand_node_names(self.options.nodelist)
        missing = [name for name in names if name not in present]
        self._give_up(
            f"{', '.join(missing)} did not join within {self.options.start_timeout_s:g} s",
            RAY_FAILED,
        )

    def _give_up(self, why: str, code: int) -> None:
        sys.stderr.write(f"tmgg: Ray did not start: {why}\n")
        self.loop.end(code)

    def _tell_start(self, guest: _Guest) -> None:
        self._tell(
            guest, {"order": "start", "address": self._gcs_address, "kill_wait_s": self.kill_wait_s}
        )

    def _tell(self, guest: _Guest, message: channel.Message) -> None:
        assert guest.channel is not None
        guest.channel.send(message)
