"""The client's calls about apps, functions and function calls."""

import hashlib
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal.standin.scheduler import Scheduler
from tests.modal.standin.world import App, Call, Function, Input, World

LARGEST_OBJECT_BYTES = 2 << 20


class FunctionCalls:
    world: World
    scheduler: Scheduler

    async def AppCreate(self, request: Any, _task: str | None) -> Any:
        app = App(self.world.new_id("ap"), request.description, request.app_state)
        self.world.apps[app.app_id] = app
        return api_pb2.AppCreateResponse(app_id=app.app_id, app_page_url="http://stand-in")

    async def AppGetByDeploymentName(self, request: Any, _task: str | None) -> Any:
        app_id = self.world.deployed.get(request.name, "")
        return api_pb2.AppGetByDeploymentNameResponse(app_id=app_id)

    async def AppGetLayout(self, request: Any, _task: str | None) -> Any:
        return api_pb2.AppGetLayoutResponse(app_layout=self.world.layout(request.app_id))

    async def AppPublish(self, request: Any, _task: str | None) -> Any:
        app = self.world.apps[request.app_id]
        app.functions, app.state = dict(request.function_ids), request.app_state
        self.world.deployed[request.name] = app.app_id
        return api_pb2.AppPublishResponse(url="http://stand-in", deployed_at=0)

    async def AppClientDisconnect(self, _request: Any, _task: str | None) -> Any:
        return Empty()

    async def FunctionPrecreate(self, request: Any, _task: str | None) -> Any:
        function_id = request.existing_function_id or self.world.new_id("fu")
        handle = api_pb2.FunctionHandleMetadata(
            function_name=request.function_name,
            function_type=request.function_type,
            definition_id=f"de-{function_id}",
            function_schema=request.function_schema,
            supported_input_formats=request.supported_input_formats,
            supported_output_formats=request.supported_output_formats,
            app_id=request.app_id,
            max_object_size_bytes=LARGEST_OBJECT_BYTES,
        )
        self.world.handles[function_id] = handle
        return api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=handle)

    async def FunctionCreate(self, request: Any, _task: str | None) -> Any:
        function_id = request.existing_function_id
        definition = api_pb2.Function()
        if request.HasField("function"):
            definition.CopyFrom(request.function)
        else:
            definition.CopyFrom(request.function_data.ranked_functions[0].function)
        self.world.functions[function_id] = Function(definition, request.app_id)
        return api_pb2.FunctionCreateResponse(
            function_id=function_id,
            handle_metadata=self.world.handles[function_id],
            function=definition,
            function_data=_data_of(definition),
        )

    async def FunctionGet(self, request: Any, _task: str | None) -> Any:
        app = self.world.apps.get(self.world.deployed.get(request.app_name, ""))
        if app is None or request.object_tag not in app.functions:
            raise GRPCError(Status.NOT_FOUND, "no such function")
        function_id = app.functions[request.object_tag]
        return api_pb2.FunctionGetResponse(
            function_id=function_id,
            handle_metadata=self.world.handles[function_id],
            function=_data_of(self.world.functions[function_id].definition),
        )

    async def FunctionBindParams(self, request: Any, _task: str | None) -> Any:
        """What `with_options` becomes: a variant of the function with containers of its own."""
        base = self.world.functions[request.function_id]
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
        function_id = f"fu-v{digest[:10]}"
        definition = _with_options(base.definition, request.function_options)
        self.world.functions[function_id] = Function(
            definition, base.app_id, request.serialized_params
        )
        handle = self.world.handles[request.function_id]
        self.world.handles[function_id] = handle
        return api_pb2.FunctionBindParamsResponse(
            bound_function_id=function_id, handle_metadata=handle
        )

    async def FunctionMap(self, request: Any, _task: str | None) -> Any:
        call = Call(self.world.new_id("fc"), request.function_id)
        self.world.calls[call.call_id] = call
        pipelined = [await self._put(call, item) for item in request.pipelined_inputs]
        definition = self.world.functions[request.function_id].definition
        return api_pb2.FunctionMapResponse(
            function_call_id=call.call_id,
            function_call_jwt=call.call_id,
            pipelined_inputs=pipelined,
            retry_policy=definition.retry_policy,
            max_inputs_outstanding=1000,
        )

    async def _put(self, call: Call, item: Any) -> Any:
        one = Input(self.world.new_id("in"), call, item)
        call.inputs[item.idx] = self.world.inputs[one.input_id] = one
        await self.scheduler.enqueue(one)
        return api_pb2.FunctionPutInputsResponseItem(
            idx=item.idx, input_id=one.input_id, input_jwt=one.input_id
        )

    async def FunctionGetOutputs(self, request: Any, _task: str | None) -> Any:
        call = self._call(request.function_call_id)

        def done() -> list[tuple[int, Input]]:
            return [(index, one) for index, one in sorted(call.inputs.items()) if one.result]

        await self.world.wait_until(done, max(request.timeout, 0.001))
        return api_pb2.FunctionGetOutputsResponse(
            outputs=[_output(index, one) for index, one in done()],
            idxs=[index for index, _one in done()],
            last_entry_id="0-0",
            num_unfinished_inputs=len(call.inputs) - len(done()),
        )

    async def FunctionCallFromId(self, request: Any, _task: str | None) -> Any:
        call = self._call(request.function_call_id)
        metadata = api_pb2.FunctionCallHandleMetadata(
            app_id=self.world.functions[call.function_id].app_id, function_id=call.function_id
        )
        return api_pb2.FunctionCallFromIdResponse(
            function_call_id=call.call_id, num_inputs=len(call.inputs), metadata=metadata
        )

    async def FunctionCallCancel(self, request: Any, _task: str | None) -> Any:
        call = self._call(request.function_call_id)
        call.cancelled = True
        for one in call.inputs.values():
            await self.scheduler.cancel(one, terminate=request.terminate_containers)
        return Empty()

    def _call(self, call_id: str) -> Call:
        if call_id not in self.world.calls:
            raise GRPCError(Status.NOT_FOUND, "no such function call")
        return self.world.calls[call_id]


def _data_of(definition: Any) -> Any:
    data = api_pb2.FunctionData(
        module_name=definition.module_name,
        function_name=definition.function_name,
        function_type=definition.function_type,
        timeout_secs=definition.timeout_secs,
    )
    data.ranked_functions.add(rank=0).function.CopyFrom(definition)
    return data


def _with_options(base: Any, options: Any) -> Any:
    definition = api_pb2.Function()
    definition.CopyFrom(base)
    if options.HasField("resources"):
        definition.resources.MergeFrom(options.resources)
    if options.HasField("timeout_secs"):
        definition.timeout_secs = options.timeout_secs
    if options.HasField("retry_policy"):
        definition.retry_policy.CopyFrom(options.retry_policy)
    if options.replace_secret_ids:
        del definition.secret_ids[:]
        definition.secret_ids.extend(options.secret_ids)
    if options.replace_volume_mounts:
        del definition.volume_mounts[:]
        definition.volume_mounts.extend(options.volume_mounts)
    return definition


def _output(index: int, one: Input) -> Any:
    return api_pb2.FunctionGetOutputsItem(
        result=one.result,
        idx=index,
        input_id=one.input_id,
        data_format=one.data_format,
        retry_count=one.retries,
        task_id=one.container.task_id if one.container else "",
    )
