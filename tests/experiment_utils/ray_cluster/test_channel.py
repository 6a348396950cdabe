import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tmgg.experiment_utils.ray_cluster import channel
from tmgg.experiment_utils.ray_cluster.channel import Channel, is_proof, prove
from tmgg.experiment_utils.ray_cluster.loop import Loop

SECRET = b"one"


class Heard:
    """A channel that notes what it is told; its loop ends with the first thing noted."""

    def __init__(self, connection: socket.socket) -> None:
        self.loop = Loop()
        self.messages: list[dict[str, Any]] = []
        self.closed = 0
        self.channel = Channel(
            self.loop, connection, on_message=self._on_message, on_close=self._on_close
        )

    def _on_message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message.get("last"):
            self.loop.end(0)

    def _on_close(self) -> None:
        self.closed += 1
        self.loop.end(1)


@pytest.fixture
def pair() -> Iterator[tuple[Heard, socket.socket]]:
    server = socket.create_server(("127.0.0.1", 0))
    other = socket.create_connection(server.getsockname())
    connection, _ = server.accept()
    yield Heard(connection), other
    for end in (server, other, connection):
        end.close()


def test_messages_arrive_whole_and_in_order(pair: tuple[Heard, socket.socket]) -> None:
    heard, other = pair
    text = b"".join(json.dumps({"n": n, "last": n == 2}).encode() + b"\n" for n in range(3))
    other.sendall(text[:7])
    other.sendall(text[7:])
    assert heard.loop.run() == 0
    assert [message["n"] for message in heard.messages] == [0, 1, 2]


def test_the_end_of_the_other_side_is_told_once(pair: tuple[Heard, socket.socket]) -> None:
    heard, other = pair
    other.close()
    assert heard.loop.run() == 1
    heard.channel.send({"too": "late"})
    assert heard.closed == 1


@pytest.mark.parametrize(
    "line", [b"not json\n", b"[1]\n", b"\xff\xfe\n", b"[" * 3000 + b"\n", b"x" * 70_000]
)
def test_whoever_talks_nonsense_is_hung_up_on(
    pair: tuple[Heard, socket.socket], line: bytes
) -> None:
    heard, other = pair
    other.sendall(line)
    assert heard.loop.run() == 1
    assert not heard.messages


def test_hanging_up_is_not_told_to_oneself(pair: tuple[Heard, socket.socket]) -> None:
    heard, other = pair
    heard.channel.close()
    assert other.recv(10) == b""
    assert heard.closed == 0


def test_a_proof_holds_for_one_secret_one_nonce_and_one_role_only() -> None:
    nonce = channel.new_nonce()
    proof = prove(SECRET, role="node", nonce=nonce)
    assert is_proof(proof, SECRET, role="node", nonce=nonce)
    assert not is_proof(proof, b"two", role="node", nonce=nonce)
    assert not is_proof(proof, SECRET, role="head", nonce=nonce)
    assert not is_proof(proof, SECRET, role="node", nonce=channel.new_nonce())
    assert SECRET.decode() not in proof


@pytest.mark.parametrize("given", [None, 7, "", "x", "é", ["a"]])
def test_anything_else_is_no_proof(given: object) -> None:
    assert not is_proof(given, SECRET, role="node", nonce="n")
