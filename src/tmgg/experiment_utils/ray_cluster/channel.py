"""The connection between the head's supervisor and that of another node: each message a JSON line.

Each side first proves that it has the job's token; the token itself is never sent. If one side
ends, the connection breaks, so the other side notices it.
"""

import hmac
import json
import secrets
import socket
from collections.abc import Callable
from typing import Any

from tmgg.experiment_utils.ray_cluster.loop import Loop

Message = dict[str, Any]

_LONGEST_LINE = 64 * 1024
# If a node has lost power, the kernel breaks the connection after so many probes without an answer.
_IDLE_S, _PROBE_EVERY_S, _PROBES = 5, 5, 3


class Channel:
    """Sends and receives messages; calls `on_close` once, when the connection breaks."""

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        *,
        on_message: Callable[[Message], None],
        on_close: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._on_message = on_message
        self._on_close = on_close
        self._received = b""
        self._open = True
        _keep_alive(connection)
        # Sending may block: messages are few and small, far below a socket's buffer.
        connection.settimeout(5.0)
        loop.watch(connection.fileno(), self._on_readable)

    def send(self, message: Message) -> None:
        if not self._open:
            return
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._break()

    def close(self) -> None:
        """Close the connection without a call of `on_close`."""
        if self._open:
            self._open = False
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()

    def _on_readable(self) -> None:
        try:
            data = self._connection.recv(4096)
        except OSError:
            data = b""
        self._received += data
        if not data or len(self._received) > _LONGEST_LINE:
            self._break()
            return
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            if self._open:
                self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            self._on_message(message)
        else:
            self._break()

    def _break(self) -> None:
        if self._open:
            self.close()
            self._on_close()


def new_nonce() -> str:
    return secrets.token_hex(16)


def prove(secret: bytes, *, role: str, nonce: object) -> str:
    """The answer to `nonce`, which only a process with the secret can compute."""
    return hmac.new(secret, f"{role}:{nonce}".encode(), "sha256").hexdigest()


def is_proof(given: object, secret: bytes, *, role: str, nonce: object) -> bool:
    return isinstance(given, str) and hmac.compare_digest(
        given.encode(), prove(secret, role=role, nonce=nonce).encode()
    )


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
