"""What TMGG uses of the SDK, and that it is there: public names with the parameters we pass."""

import ast
import inspect
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/tmgg/experiment_utils/cloud/modal"
# Name to the parameters that are passed by keyword.
USED = {
    "App": set(),
    "App.deploy": {"environment_name"},
    "App.function": {"gpu", "image", "include_source", "name"},
    "Cluster.container_ips": {"family"},
    "Cluster.container_rank": set(),
    "Cluster.from_context": set(),
    "Dict.contains": set(),
    "Dict.from_name": {"create_if_missing", "environment_name"},
    "Dict.get": set(),
    "Dict.hydrate": set(),
    "Dict.put": {"skip_if_exists"},
    "Function.from_name": {"environment_name"},
    "Function.hydrate": set(),
    "Function.spawn": set(),
    "Function.with_options": {
        "cloud", "cpu", "gpu", "max_containers", "memory", "region", "retries", "secrets",
        "timeout", "volumes",
    },
    "FunctionCall.cancel": set(),
    "FunctionCall.from_id": set(),
    "FunctionCall.get": {"timeout"},
    "Image.add_local_python_source": {"ignore"},
    "Image.apt_install": set(),
    "Image.debian_slim": {"python_version"},
    "Image.from_registry": {"add_python"},
    "Image.uv_pip_install": set(),
    "Secret.from_name": {"environment_name"},
    "Volume.from_name": {"create_if_missing", "environment_name"},
    "clustered": {"size"},
    "current_function_call_id": set(),
}  # fmt: skip
ERRORS = {
    "AuthError", "ClientClosed", "ConnectionError", "DataLossError", "DeserializationError",
    "Error", "ExecutionError", "FunctionTimeoutError", "InternalError", "InternalFailure",
    "NotFoundError", "OutputExpiredError", "PermissionDeniedError", "RemoteError",
    "ResourceExhaustedError", "ServiceError",
}  # fmt: skip


@pytest.mark.parametrize("name", USED)
def test_each_name_is_there_with_its_parameters(name: str) -> None:
    import modal

    found = modal
    for part in name.split("."):
        found = getattr(found, part)
    parameters = inspect.signature(found).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    assert takes_all or set(parameters) >= USED[name]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_each_error_is_there(name: str) -> None:
    import modal.exception

    assert issubclass(getattr(modal.exception, name), modal.exception.Error)


def test_timeouts_of_the_sdk_are_not_pythons() -> None:
    import modal.exception

    assert not issubclass(modal.exception.TimeoutError, TimeoutError)
    assert issubclass(modal.exception.FunctionTimeoutError, modal.exception.TimeoutError)


def test_nothing_else_of_the_sdk_is_used() -> None:
    classes = {name.partition(".")[0] for name in USED}
    methods = {name.rpartition(".")[2] for name in USED}
    for path in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(value=ast.Name(id="modal"), attr=name):
                    assert name in {*classes, "exception"}, f"{path.name} uses modal.{name}"
                case ast.Attribute(value=ast.Attribute(attr=name), attr="aio"):
                    assert name in methods, f"{path.name} uses {name}.aio"
                case ast.Attribute(value=ast.Name(id="known"), attr=name):
                    assert name in ERRORS, f"{path.name} uses modal.exception.{name}"
                case ast.Import(names=[alias]) if alias.name.startswith("modal"):
                    assert alias.name in ("modal", "modal.exception"), path.name
