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
NOT_RETRIED = (Result.GENERIC_STATUS_SUCCESS, Result.GENERIC_STATUS_TERMINATED)


class Scheduler:
    def __init__(self, world: World, servicer: Callable[[str], Any]) -> None:
        self._world = world
        self._servicer = servicer
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.hold = False
        """While set, no input reaches a container: a full cloud."""

    async def enqueue(self, one: Input) -> None:
        function_id = one.call.function_id
        definition = self._world.functions[function_id].definition
        if definition._experimental_group_size:
            await self._start_cluster(one, definition._experimental_group_size)
            return
        async with self._world.changed:
            self._world.queues[function_id].append(one)
            self._world.changed.notify_all()
        if not self.hold:
            await self._add_containers(function_id)

    async def release(self) -> None:
        """End a `hold`."""
        self.hold = False
        async with self._world.changed:
            self._world.changed.notify_all()
        for function_id in list(self._world.queues):
            await self._add_containers(function_id)

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
        async with self._world.changed:
            if one.result is None:
                one.result, one.data_format = result, data_format
            self._world.changed.notify_all()

    async def cancel(self, one: Input, *, terminate: bool) -> None:
        end = Result(status=Result.GENERIC_STATUS_TERMINATED, exception="cancelled")
        queue = self._world.queues[one.call.function_id]
        if one.result is None and one in queue:
            queue.remove(one)
            await self.finish(one, end)
        elif one.result is None and one.container is not None:
            if terminate:
                kill(one.container, end)
            else:
                one.container.cancellations.put_nowait(one.input_id)

    async def stop(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        for container in self._world.containers.values():
            kill(container)
            await container.process.wait()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _add_containers(self, function_id: str) -> None:
        live = [
            each
            for each in self._world.containers.values()
            if each.function_id == function_id and each.alive
        ]
        idle = [each for each in live if each.current is None]
        wanted = len(self._world.queues[function_id]) - len(idle)
        for _ in range(min(wanted, MOST_CONTAINERS - len(live))):
            self._watch(await self._start(function_id, clustered=False))

    async def _start_cluster(self, one: Input, size: int) -> None:
        """The same input for every rank; only the first one's answer counts."""
        cluster = [await self._start(one.call.function_id, clustered=True) for _ in range(size)]
        for rank, container in enumerate(cluster):
            container.rank, container.cluster, container.fed = rank, cluster, [one]
            self._watch(container)
        async with self._world.changed:
            self._world.changed.notify_all()

    async def _start(self, function_id: str, *, clustered: bool) -> Container:
        return await start_container(
            self._world, function_id, servicer=self._servicer, clustered=clustered
        )

    def _watch(self, container: Container) -> None:
        self._soon(self._reap(container))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _reap(self, container: Container) -> None:
        code = await container.process.wait()
        container.server.close()
        held = container.current
        if held is not None and held.result is None:
            died = Result(
                status=Result.GENERIC_STATUS_FAILURE, exception=f"container exited with {code}"
            )
            await self.finish(held, container.end or died)
        elif container.startup_result is not None:
            # Modal's entrypoint reports a failed start and then exits with 0.
            queue = self._world.queues[container.function_id]
            while queue:
                await self.finish(queue.popleft(), container.startup_result)

    def _silence(self, one: Input) -> None:
        alarm = self._alarms.pop(one.input_id, None)
        if alarm is not None:
            alarm.cancel()
