"""The hub's side of its connections: supervisors must prove that they belong to the job."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from tmgg.experiment_utils.ray_cluster import channel
from tmgg.experiment_utils.ray_cluster.loop import Loop

# How long a connection may take to prove that it belongs to the job.
_PROOF_TIMEOUT_S = 60.0


@dataclass
class Guest:
    """A connection to the hub; trusted once it has a rank."""

    line: channel.Channel | None
    nonce: str
    rank: int | None = None
    node: str = ""

    def send(self, message: channel.Message) -> None:
        if self.line is not None:
            self.line.send(message)

    def close(self) -> None:
        if self.line is not None:
            self.line.close()


class Lobby:
    """Accepts supervisors after their proof, and reports their messages and the end of each."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        secret: bytes,
        *,
        on_join: Callable[[Guest], None],
        on_message: Callable[[Guest, channel.Message], None],
        on_leave: Callable[[Guest], None],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._secret = secret
        self._on_join = on_join
        self._on_message = on_message
        self._on_leave = on_leave
        loop.watch(listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        guest = Guest(None, channel.new_nonce())
        guest.line = channel.Channel(
            self._loop,
            connection,
            on_message=lambda message: self._hear(guest, message),
            on_close=lambda: self._lose(guest),
        )
        self._loop.after(_PROOF_TIMEOUT_S, lambda: self._turn_away_stranger(guest))
        guest.send({"nonce": guest.nonce})

    def _hear(self, guest: Guest, message: channel.Message) -> None:
        if guest.rank is None:
            self._shake_hands(guest, message)
        else:
            self._on_message(guest, message)

    def _shake_hands(self, guest: Guest, message: channel.Message) -> None:
        proof = message.get("proof")
        if not channel.is_proof(proof, self._secret, role="rank", nonce=guest.nonce):
            guest.close()
            return
        guest.rank, guest.node = int(message["rank"]), str(message["node"])
        guest.send({"proof": channel.prove(self._secret, role="hub", nonce=message["nonce"])})
        self._on_join(guest)

    def _lose(self, guest: Guest) -> None:
        if guest.rank is not None:
            self._on_leave(guest)

    def _turn_away_stranger(self, guest: Guest) -> None:
        if guest.rank is None:
            guest.close()
