"""The supervisor of every node but the head: it follows the head's orders."""

import socket
from pathlib import Path

from tmgg.experiment_utils.job.job_exit_codes import RAY_FAILED, TERMINATED
from tmgg.experiment_utils.ray_cluster import addresses, channel, head_address_file, ports
from tmgg.experiment_utils.ray_cluster.options import NodeOptions
from tmgg.experiment_utils.ray_cluster.supervisor import Node

_LOOK_EVERY_S = 0.1
_CONNECT_TIMEOUT_S = 10.0


class WorkerNode(Node):
    """Connects to the head with a proof, and starts Ray and ends when the head orders it."""

    def __init__(self, options: NodeOptions, scratch: Path, secret: bytes) -> None:
        super().__init__(options, scratch, secret)
        self._channel: channel.Channel | None = None
        self._nonce = channel.new_nonce()
        self._trusted = False
        self._head_host = ""
        self._ending = False

    def run(self) -> int:
        self.ray.prepare()
        self.loop.after(self.options.start_timeout_s, self._too_late)
        self._look_for_head()
        return self.loop.run()

    def ray_up(self, plan: ports.PortPlan) -> None:
        self.ray.settle()
        self._tell({"event": "up"})

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        self.save_ray_logs()
        self._tell({"event": "failed", "why": why, "no_ray": no_ray})

    def ray_lost(self, why: str) -> None:
        self.notice(why)
        self.save_ray_logs()
        self._tell({"event": "lost", "why": why})

    def terminated(self) -> None:
        if self._channel is None:
            self.loop.end(TERMINATED)
        elif not self._ending:
            # The experiment may still be saving its state; the head knows when it is done.
            self._ending = True
            self.loop.after(self.grace_s, lambda: self.loop.end(TERMINATED))

    def _look_for_head(self) -> None:
        found = head_address_file.look_up(self.options.paths.ray_head, start=self.options.start)
        if found is None:
            self.loop.after(_LOOK_EVERY_S, self._look_for_head)
            return
        try:
            connection = socket.create_connection(found, timeout=_CONNECT_TIMEOUT_S)
        except OSError as error:
            self.notice(f"cannot reach the head at {addresses.with_port(*found)}: {error}")
            self.loop.after(1.0, self._look_for_head)
            return
        self._head_host = found[0]
        self._channel = channel.Channel(
            self.loop, connection, on_message=self._on_message, on_close=self._head_gone
        )

    def _on_message(self, message: channel.Message) -> None:
        if not self._trusted:
            self._shake_hands(message)
        elif message.get("order") == "start":
            self.kill_wait_s = float(message["kill_wait_s"])
            own = self.own_address(addresses.address_towards(self._head_host))
            self.ray.start(own, str(message["address"]))
        elif message.get("order") == "stop":
            self.loop.end(0)

    def _shake_hands(self, message: channel.Message) -> None:
        if "nonce" in message:
            proof = channel.prove(self.secret, role="node", nonce=message["nonce"])
            self._tell(
                {
                    "proof": proof,
                    "nonce": self._nonce,
                    "rank": self.options.rank,
                    "node": self.options.node,
                }
            )
        else:
            self._trusted = channel.is_proof(
                message.get("proof"), self.secret, role="head", nonce=self._nonce
            )

    def _head_gone(self) -> None:
        self.notice("the head is gone")
        self.loop.end(RAY_FAILED)

    def _too_late(self) -> None:
        if self._channel is None:
            self.notice(f"found no head within {self.options.start_timeout_s:g} s")
            self.loop.end(RAY_FAILED)

    def _tell(self, message: channel.Message) -> None:
        if self._channel is not None:
            self._channel.send(message)
