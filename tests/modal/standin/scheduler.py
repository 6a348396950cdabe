"""From inputs to containers and from containers to results, with Modal's timeouts and retries."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from modal_proto import api_pb2

from tests.modal.standin.containers import kill, start_container
from tests.modal.standin.world import Container, Input, World

Result = api_pb2.GenericResult
DEFAULT_TIMEOUT_S = 300
MOST_CONTAINERS = 4
CANCELLED = Result(status=Result.GENERIC_STATUS_TERMINATED, exception="cancelled")
NOT_RETRIED = (Result.GENERIC_STATUS_SUCCESS, Result.GENERIC_STATUS_TERMINATED)


class Scheduler:
    def __init__(self, world: World, servicer: Callable[[str], Any]) -> None:
        self._world = world
        self._servicer = servicer
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._adding = asyncio.Lock()
        self.errors: list[BaseException] = []
        """What went wrong in the background; nobody else would hear of it."""
        self.hold = False
        """While set, no input reaches a container: a full cloud."""

    async def enqueue(self, one: Input) -> None:
        """Also if who asked goes away meanwhile, containers start."""
        function_id = one.call.function_id
        definition = self._world.functions[function_id].definition
        if definition._experimental_group_size:
            self._soon(self._start_cluster(one, definition._experimental_group_size))
            return
        if one.call.cancelled:  # before its retry began
            await self.finish(one, CANCELLED)
            return
        self._world.queues[function_id].append(one)
        self._world.tell()
        self._soon(self._add_containers(function_id))

    async def release(self) -> None:
        """End a `hold`."""
        self.hold = False
        self._world.tell()
        for function_id in list(self._world.queues):
            self._soon(self._add_containers(function_id))

    async def dismiss(self, container: Container) -> None:
        """Let an idle container end before its time."""
        container.leaves = True
        self._world.tell()

    def begin(self, one: Input, container: Container) -> None:
        """A container takes an input; from now on its time runs."""
        container.current, one.container = one, container
        limit_s = (
            self._world.functions[one.call.function_id].definition.timeout_secs or DEFAULT_TIMEOUT_S
        )
        end = Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=f"timeout of {limit_s} s")
        loop = asyncio.get_running_loop()
        self._alarms[one.input_id] = loop.call_later(limit_s, kill, container, end)

    async def finish(self, one: Input, result: Any, data_format: int = 0) -> None:
        self._silence(one)
        policy = self._world.functions[one.call.function_id].definition.retry_policy
        again = result.status not in NOT_RETRIED and one.retries < policy.retries
        if again and not one.call.cancelled:
            one.retries += 1
            self._soon(self.enqueue(one))
            return
        if one.result is None:
            one.result, one.data_format = result, data_format
        self._world.tell()

    async def cancel(self, one: Input, *, terminate: bool) -> None:
        queue = self._world.queues[one.call.function_id]
        if one.result is None and one in queue:
            queue.remove(one)
            await self.finish(one, CANCELLED)
        elif one.result is None and one.container is not None:
            if terminate:
                kill(one.container, CANCELLED)
            else:  # the heartbeats of its container say so
                self._world.tell()

    async def stop(self) -> None:
        self.hold = True
        for alarm in self._alarms.values():
            alarm.cancel()
        async with self._adding:
            containers = list(self._world.containers.values())
        for container in containers:
            kill(container)
            await container.process.wait()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _add_containers(self, function_id: str) -> None:
        async with self._adding:  # so that those that another one starts are counted
            while self._lacks_container(function_id):
                self._watch(await self._start(function_id, clustered=False))

    def _lacks_container(self, function_id: str) -> bool:
        there = [
            each
            for each in self._world.containers.values()
            if each.function_id == function_id and each.serves
        ]
        idle = sum(each.is_idle for each in there)
        waiting = len(self._world.queues[function_id])
        return not self.hold and waiting > idle and len(there) < MOST_CONTAINERS

    async def _start_cluster(self, one: Input, size: int) -> None:
        """The same input for every rank; only the first one's answer counts."""
        cluster = [await self._start(one.call.function_id, clustered=True) for _ in range(size)]
        for rank, container in enumerate(cluster):
            container.rank, container.cluster, container.fed = rank, cluster, [one]
            self._watch(container)
        self._world.tell()

    async def _start(self, function_id: str, *, clustered: bool) -> Container:
        return await start_container(
            self._world, function_id, servicer=self._servicer, clustered=clustered
        )

    def _watch(self, container: Container) -> None:
        self._soon(self._reap(container))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.errors.append(error)

    async def _reap(self, container: Container) -> None:
        code = await container.process.wait()
        container.server.close()
        died = Result(
            status=Result.GENERIC_STATUS_FAILURE, exception=f"container exited with {code}"
        )
        for one in self._left_by(container):
            await self.finish(one, container.end or container.startup_result or died)
        # While it was alive, it may have counted as the one that takes what waits.
        await self._add_containers(container.function_id)

    def _left_by(self, container: Container) -> list[Input]:
        """Inputs that nobody will finish: what it held, or, if it could not start, what waits."""
        held = container.current
        if held is not None:
            return [held] if held.result is None else []
        if container.has_asked:
            return []
        waiting = (
            self._world.queues[container.function_id] if container.fed is None else container.fed
        )
        left = list(waiting)
        waiting.clear()
        return left

    def _silence(self, one: Input) -> None:
        alarm = self._alarms.pop(one.input_id, None)
        if alarm is not None:
            alarm.cancel()
