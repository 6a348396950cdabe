"""A stand-in for Modal's servers on the loopback: the real SDK talks to it.

It speaks the SDK's own gRPC interface (`modal_proto`, part of the wheel) and runs every container
as a process of Modal's own entrypoint. It never builds an image and has no GPUs.
"""

import asyncio
import collections
import hashlib
import inspect
import threading
from pathlib import Path
from typing import Any

import grpclib.server
from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_grpc

from tests.modal.standin.container_calls import ContainerCalls
from tests.modal.standin.function_calls import FunctionCalls
from tests.modal.standin.object_calls import ObjectCalls
from tests.modal.standin.scheduler import Scheduler
from tests.modal.standin.world import Container, World

TOKEN = ("ak-test", "as-test")
STOP_WITHIN_S = 60.0
LARGEST_BLOB_BYTES = 1 << 30


class _Calls(ObjectCalls, FunctionCalls, ContainerCalls):
    pass


class StandIn:
    """Runs in a thread with an event loop of its own; `start` and `stop` may be called once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.asked: collections.Counter[str] = collections.Counter()
        self.unknown: collections.Counter[str] = collections.Counter()
        """Calls that the stand-in does not know; a test that makes one must fail."""
        self.refused: dict[str, Status] = {}
        """Calls to answer with an error instead."""
        self.unanswered: set[str] = set()
        """Calls that take effect and whose answer never arrives."""
        self.url = ""
        self._connections: set[Any] = set()

    def start(self) -> None:
        self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_WITHIN_S)
        self._loop.close()

    def release(self) -> None:
        """Let inputs reach containers again after `scheduler.hold`."""
        self._run(self.scheduler.release())

    def dismiss(self, container: Container) -> None:
        """Tell an idle container to end, as Modal may at any time."""
        self._run(self.scheduler.dismiss(container))

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(STOP_WITHIN_S)

    async def _start(self) -> None:
        self.world = World(self._root)
        self.scheduler = Scheduler(self.world, self._servicer)
        self._calls = _Calls()
        self._calls.world, self._calls.scheduler = self.world, self.scheduler
        self._calls.blob_url = await self._start_blobs()
        self._server = grpclib.server.Server([self._servicer(None)])
        await self._server.start("127.0.0.1", 0)
        port = self._server._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def _stop(self) -> None:
        await self.scheduler.stop()
        self._server.close()
        await self._blobs.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for connection in self._connections:
            connection.close()

    def _servicer(self, task_id: str | None) -> Any:
        """Every call of the installed SDK's interface; the names are the SDK's."""
        names = api_grpc.ModalClientBase.__abstractmethods__
        methods = {name: self._handler(name, task_id) for name in names}
        return type("Servicer", (api_grpc.ModalClientBase,), methods)()

    def _handler(self, name: str, task_id: str | None) -> Any:
        async def handle(_servicer: object, stream: Any) -> None:
            self._connections.add(stream._stream.connection)
            request = await stream.recv_message()
            self.asked[name] += 1
            if task_id is None:
                _check_token(stream.metadata)
            if name in self.refused:
                raise GRPCError(self.refused[name], "refused by the stand-in")
            method = getattr(self._calls, name, None)
            if method is None:
                self.unknown[name] += 1
                raise GRPCError(Status.UNIMPLEMENTED, name)
            answer = method(request, task_id)
            if inspect.isasyncgen(answer):
                async for message in answer:
                    await stream.send_message(message)
                return
            message = await answer
            if name in self.unanswered and task_id is None:
                await asyncio.sleep(STOP_WITHIN_S * 10)
            await stream.send_message(message or Empty())

        return handle

    async def _start_blobs(self) -> str:
        app = web.Application(client_max_size=LARGEST_BLOB_BYTES)
        app.router.add_put("/{blob_id}", self._put_blob)
        app.router.add_get("/{blob_id}", self._get_blob)
        self._blobs = web.AppRunner(app)
        await self._blobs.setup()
        site = web.TCPSite(self._blobs, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return f"http://127.0.0.1:{port}"

    async def _put_blob(self, request: Any) -> Any:
        data = await request.read()
        self.world.blobs[request.match_info["blob_id"]] = data
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{digest}"'})

    async def _get_blob(self, request: Any) -> Any:
        return web.Response(body=self.world.blobs[request.match_info["blob_id"]])


def _check_token(metadata: Any) -> None:
    given = (metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret"))
    if given != TOKEN:
        raise GRPCError(Status.UNAUTHENTICATED, "unknown token")
