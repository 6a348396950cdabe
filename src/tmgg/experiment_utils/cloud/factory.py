"""Makes a runner from a backend's name: one table, and the backends of other packages (`plugins`).

A backend is imported only when its runner is made.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from tmgg.errors import BackendNotLoadedError, ConfigError
from tmgg.experiment_utils.cloud import plugins
from tmgg.experiment_utils.cloud.options import unknown_name
from tmgg.experiment_utils.cloud.runner import CloudRunner

BACKENDS: dict[str, str] = {
    "local": "tmgg.experiment_utils.cloud.local.runner:make_runner",
    "modal": "tmgg.experiment_utils.cloud.modal.runner:make_runner",
    "ray": "tmgg.experiment_utils.cloud.ray.runner:make_runner",
    "slurm": "tmgg.experiment_utils.cloud.slurm.runner:make_runner",
}
CONFIG_CLASSES: dict[str, str] = {
    "slurm": "tmgg.experiment_utils.cloud.slurm.config:SlurmConfig",
    "local": "tmgg.experiment_utils.cloud.local.config:LocalConfig",
    "modal": "tmgg.experiment_utils.cloud.modal.config:ModalConfig",
    "ray": "tmgg.experiment_utils.cloud.ray.config:RayConfig",
}
"""The launcher's backends. A name is also part of a switch (`use_slurm`) and the prefix of keys."""


def make_runner(backend: str, options: Mapping[str, Any] | None = None) -> CloudRunner:
    """The runner of a backend; `options` are the fields of its config class.

    Raises ConfigError for an unknown backend or option, naming the known ones.
    """
    make = _load(_target_of(backend), backend)
    runner = make(dict(options or {}))
    if not isinstance(runner, CloudRunner):
        raise ConfigError(
            f"the backend {backend!r} makes a {type(runner).__name__}, which is not a "
            "CloudRunner. Update or remove the package that adds it."
        )
    return runner


def known_backends() -> list[str]:
    """TMGG's own backends first. A backend of another package cannot replace one of these."""
    return [*BACKENDS, *(name for name in plugins.found(plugins.RUNNERS) if name not in BACKENDS)]


def _target_of(backend: str) -> str:
    if backend in BACKENDS:
        return BACKENDS[backend]
    brought = plugins.found(plugins.RUNNERS)
    if backend not in brought:
        raise BackendNotLoadedError(unknown_name("backend", backend, known_backends()))
    return brought[backend]


def _load(target: str, backend: str) -> Any:
    module, _, function = target.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except Exception as error:  # another package may raise anything
        raise BackendNotLoadedError(
            f"the backend {backend!r} ({target}) cannot be loaded: {error}. Update or remove the "
            "package that adds it."
        ) from error
