"""What the stand-in knows: apps, functions, calls, containers. Plain data."""

import asyncio
import collections
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modal_proto import api_pb2


@dataclass
class App:
    app_id: str
    name: str
    state: int
    functions: dict[str, str] = field(default_factory=dict)
    """Tag to function id."""


@dataclass
class Function:
    """A deployed function, or one with options bound to it."""

    definition: Any
    app_id: str
    parameters: bytes = b""


@dataclass
class Input:
    input_id: str
    call: "Call"
    item: Any
    retries: int = 0
    result: Any = None
    data_format: Any = 0
    container: "Container | None" = None


@dataclass
class Call:
    call_id: str
    function_id: str
    inputs: dict[int, Input] = field(default_factory=dict)
    cancelled: bool = False


@dataclass
class Container:
    """One process of Modal's own container entrypoint, and the socket that is its identity."""

    task_id: str
    function_id: str
    folder: Path
    process: asyncio.subprocess.Process
    server: Any
    gpu: Any
    fed: list[Input] | None = None
    """Inputs meant for this container alone (a cluster's); None takes from the queue."""
    current: Input | None = None
    startup_result: Any = None
    end: Any = None
    """Why the stand-in ended it: the result of the input it held."""
    rank: int = 0
    cluster: list["Container"] = field(default_factory=list)
    address: str = ""
    has_asked: bool = False
    """Whether it has come so far as to ask for an input."""
    leaves: bool = False
    """Whether it was told to end. Its process may live for seconds, and asks for nothing more."""

    @property
    def serves(self) -> bool:
        return self.process.returncode is None and not self.leaves

    @property
    def is_idle(self) -> bool:
        return self.serves and self.current is None


class World:
    """Everything by id."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers: collections.Counter[str] = collections.Counter()
        self.apps: dict[str, App] = {}
        self.deployed: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        self.handles: dict[str, Any] = {}
        self.objects: dict[str, tuple[str, Any]] = {}
        """What functions may depend on: id to the layout's field and its metadata."""
        self.images: dict[str, Any] = {}
        self.mounts: dict[str, dict[str, str]] = {}
        self.mounted_files: dict[str, bytes] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.named_secrets: dict[str, str] = {}
        self.volumes: dict[str, Path] = {}
        self.workspace = ""
        """Each has named objects of its own."""
        self.dicts: dict[str, dict[bytes, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.calls: dict[str, Call] = {}
        self.inputs: dict[str, Input] = {}
        self.queues: dict[str, collections.deque[Input]] = collections.defaultdict(
            collections.deque
        )
        self.containers: dict[str, Container] = {}
        self._changed = asyncio.Event()

    def new_id(self, prefix: str) -> str:
        self._numbers[prefix] += 1
        return f"{prefix}-{self._numbers[prefix]:06d}"

    async def wait_until(self, condition: Callable[[], object], limit_s: float) -> None:
        """Return when it holds, or after the limit; the caller looks which of the two it was."""
        # No asyncio.Condition: a call whose client goes away twice would leave its lock taken.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not condition():
                    await self._changed.wait()

    def tell(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def layout(self, app_id: str) -> Any:
        app = self.apps[app_id]
        objects = [
            api_pb2.Object(object_id=each, function_handle_metadata=self.handles[each])
            for each in app.functions.values()
        ]
        for object_id, (kind, metadata) in self.objects.items():
            extra = {} if metadata is None else {kind: metadata}
            objects.append(api_pb2.Object(object_id=object_id, **extra))
        return api_pb2.AppLayout(function_ids=app.functions, objects=objects)
