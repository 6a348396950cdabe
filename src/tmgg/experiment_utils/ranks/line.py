"""A supervisor's connection to the hub: finds the hub, proves itself, passes on its orders."""

import socket
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.ray_cluster import channel, head_address_file
from tmgg.experiment_utils.ray_cluster.loop import Loop

_LOOK_EVERY_S = 0.1
_CONNECT_TIMEOUT_S = 10.0


class Line:
    """Calls `on_order` with the hub's orders after the hub's proof, and `on_break` at its end."""

    def __init__(
        self,
        loop: Loop,
        secret: bytes,
        *,
        rank: int,
        node: str,
        on_order: Callable[[channel.Message], None],
        on_break: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._secret = secret
        self._rank = rank
        self._node = node
        self._on_order = on_order
        self._on_break = on_break
        self._nonce = channel.new_nonce()
        self._channel: channel.Channel | None = None
        self._trusted = False

    @property
    def is_up(self) -> bool:
        return self._trusted

    def look_for_hub(self, file: Path, *, start: str) -> None:
        """Try to connect until it succeeds; the caller must limit the time."""
        found = head_address_file.look_up(file, start=start)
        try:
            connection = found and socket.create_connection(found, timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            connection = None
        if not connection:
            self._loop.after(_LOOK_EVERY_S, lambda: self.look_for_hub(file, start=start))
            return
        self._channel = channel.Channel(
            self._loop, connection, on_message=self._hear, on_close=self._on_break
        )

    def tell(self, message: channel.Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _hear(self, message: channel.Message) -> None:
        if self._trusted:
            self._on_order(message)
        elif "nonce" in message:
            proof = channel.prove(self._secret, role="rank", nonce=message["nonce"])
            mine = {"proof": proof, "nonce": self._nonce, "rank": self._rank, "node": self._node}
            self.tell(mine)
        else:
            given = message.get("proof")
            self._trusted = channel.is_proof(given, self._secret, role="hub", nonce=self._nonce)
