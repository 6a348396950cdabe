"""The calls that come from inside a container; its socket tells which one it is."""

import socket
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal.standin.scheduler import Scheduler
from tests.modal.standin.world import Container, Input, World

HEARTBEAT_WAIT_S = 0.5
IDLE_WAIT_S = 5.0
CLUSTER_WAIT_S = 60.0


class ContainerCalls:
    world: World
    scheduler: Scheduler

    async def ContainerHello(self, _request: Any, _task: str | None) -> Any:
        return Empty()

    async def ContainerHeartbeat(self, _request: Any, task: str | None) -> Any:
        container = self._container(task)
        await self.world.wait_until(lambda: _cancelled_in(container), HEARTBEAT_WAIT_S)
        # Until the input has ended: the SDK gives an answer up that takes a second, and ignores the
        # event while it unpacks the input. It acts on the event once.
        cancelled = _cancelled_in(container)
        if not cancelled:
            return api_pb2.ContainerHeartbeatResponse()
        event = api_pb2.CancelInputEvent(input_ids=cancelled)
        return api_pb2.ContainerHeartbeatResponse(cancel_input_event=event)

    async def FunctionGetInputs(self, request: Any, task: str | None) -> Any:
        container = self._container(task)
        container.has_asked = True
        one = await self._next_input(container, request.function_id)
        if one is None:
            container.leaves = True
            return api_pb2.FunctionGetInputsResponse(
                inputs=[api_pb2.FunctionGetInputsItem(kill_switch=True)]
            )
        self.scheduler.begin(one, container)
        item = api_pb2.FunctionGetInputsItem(
            input_id=one.input_id,
            input=one.item.input,
            function_call_id=one.call.call_id,
            retry_count=one.retries,
            function_call_invocation_type=api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC,
        )
        return api_pb2.FunctionGetInputsResponse(inputs=[item])

    async def _next_input(self, container: Container, function_id: str) -> Input | None:
        if container.fed is not None:
            return container.fed.pop() if container.fed else None
        queue = self.world.queues[function_id]

        def may_take() -> bool:
            return bool(queue) and not self.scheduler.hold and not container.leaves

        await self.world.wait_until(lambda: may_take() or container.leaves, IDLE_WAIT_S)
        # Also after the limit: an input may have come since.
        return queue.popleft() if may_take() else None

    async def FunctionPutOutputs(self, request: Any, task: str | None) -> Any:
        container = self._container(task)
        container.current = None
        if container.rank == 0:
            for output in request.outputs:
                one = self.world.inputs[output.input_id]
                await self.scheduler.finish(one, output.result, output.data_format)
        return Empty()

    async def TaskResult(self, request: Any, task: str | None) -> Any:
        self._container(task).startup_result = request.result
        return Empty()

    async def TaskClusterHello(self, request: Any, task: str | None) -> Any:
        container = self._container(task)

        def all_here() -> bool:
            return bool(container.cluster) and all(each.address for each in container.cluster)

        container.address = request.container_ip
        self.world.tell()
        await self.world.wait_until(all_here, CLUSTER_WAIT_S)
        if not all_here():
            raise GRPCError(Status.DEADLINE_EXCEEDED, "the cluster is not complete")
        return api_pb2.TaskClusterHelloResponse(
            cluster_id=f"cu-{container.cluster[0].task_id}",
            cluster_rank=container.rank,
            container_ips=[each.address for each in container.cluster],
            container_ipv4_ips=[_own_address() for _each in container.cluster],
        )

    def _container(self, task: str | None) -> Container:
        assert task is not None
        return self.world.containers[task]


def _cancelled_in(container: Container) -> list[str]:
    one = container.current
    return [one.input_id] if one is not None and one.call.cancelled else []


def _own_address() -> str:
    """Of this machine; no packet is sent. Ray takes the loopback for this one anyway."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
