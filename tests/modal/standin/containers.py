"""Containers as processes: Modal's own entrypoint, with the code mounts where Modal puts them."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpclib.server
from modal_proto import api_pb2

from tests.modal.standin.world import Container, Function, World

HOSTS = "127.0.0.1 localhost\n::1 i6pn.modal.local\n"


async def start_container(
    world: World, function_id: str, *, servicer: Callable[[str], Any], clustered: bool
) -> Container:
    function = world.functions[function_id]
    task_id = world.new_id("ta")
    folder = Path(tempfile.mkdtemp(prefix=task_id[-4:], dir=world.root))
    code = _unpack_mounts(world, function, folder)
    (folder / "arguments").write_bytes(_arguments(world, task_id, function_id))
    # Requests do not name the container they come from, so each has a socket of its own.
    server = grpclib.server.Server([servicer(task_id)])
    await server.start(path=str(folder / "socket"))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_argv(world, function, folder, clustered=clustered),
            cwd=code,
            env=_environment(world, function, task_id, folder, code),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    container = Container(
        task_id, function_id, folder, process, server, function.definition.resources.gpu_config
    )
    world.containers[task_id] = container
    return container


def kill(container: Container, end: Any = None) -> None:
    """End a container from outside; `end` is what becomes of the input it holds."""
    if end is not None:
        container.end = end
    if container.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(container.process.pid, signal.SIGKILL)


def _unpack_mounts(world: World, function: Function, folder: Path) -> Path:
    for mount_id in function.definition.mount_ids:
        for name, digest in world.mounts[mount_id].items():
            path = folder / "files" / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(world.mounted_files[digest])
    code = folder / "files" / "root"
    code.mkdir(parents=True, exist_ok=True)
    return code


def _arguments(world: World, task_id: str, function_id: str) -> bytes:
    function = world.functions[function_id]
    arguments = api_pb2.ContainerArguments(
        task_id=task_id,
        function_id=function_id,
        app_id=function.app_id,
        function_def=function.definition,
        serialized_params=function.parameters,
        environment_name="main",
    )
    arguments.app_layout.CopyFrom(world.layout(function.app_id))
    return bytes(arguments.SerializeToString())


def _environment(
    world: World, function: Function, task_id: str, folder: Path, code: Path
) -> dict[str, str]:
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("MODAL_")}
    secrets = [world.secrets[each] for each in function.definition.secret_ids]
    return (
        inherited
        | {
            "MODAL_IS_REMOTE": "1",
            "MODAL_SERVER_URL": f"unix://{folder}/socket",
            "MODAL_TASK_ID": task_id,
            "MODAL_ENVIRONMENT": "main",
            "MODAL_CONTAINER_ARGUMENTS_PATH": f"{folder}/arguments",
            "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_AWS",
            "MODAL_HEARTBEAT_INTERVAL": "1",
            "PYTHONPATH": str(code),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(folder),
        }
        | {key: text for secret in secrets for key, text in secret.items()}
    )


def _argv(world: World, function: Function, folder: Path, *, clustered: bool) -> list[str]:
    argv = [sys.executable, "-m", "modal._container_entrypoint"]
    binds = [
        f"mkdir -p '{mount.mount_path}' && mount --bind '{world.volumes[mount.volume_id]}' "
        f"'{mount.mount_path}'"
        for mount in function.definition.volume_mounts
    ]
    if clustered:  # the SDK finds its own address in the cluster by a name of Modal's
        (folder / "hosts").write_text(HOSTS)
        binds.append(f"mount --bind '{folder}/hosts' /etc/hosts")
    if not binds:
        return argv
    return ["unshare", "-rm", "sh", "-c", " && ".join([*binds, 'exec "$0" "$@"']), *argv]
