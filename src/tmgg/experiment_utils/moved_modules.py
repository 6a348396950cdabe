"""Finds moved modules under their old names, for job scripts that were in a queue at the move.

Importing an old name gives the module itself; `python -m` with an old name runs it. New code uses
only the new names.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

_HERE = "tmgg.experiment_utils"
NEW_NAMES = {
    f"{_HERE}.{old}": f"{_HERE}.{new}"
    for old, new in {
        "execute": "job.execute",
        "slurm_step": "job.slurm_step",
        "context": "job.context",
        "cloud.local_supervisor": "supervisor.supervise",
        "cloud.ray_jobs": "cloud.ray",
        "cloud.ray_jobs.__main__": "cloud.ray.__main__",
        "cloud.ray_jobs.entry": "cloud.ray.entry",
        "cloud.ray_jobs.host": "cloud.ray.host",
        "cloud.slurm.head_address": "ray_cluster.head_address",
        "cloud.slurm.preflight": "ray_cluster.preflight",
        "cloud.slurm.ray_node": "ray_cluster",
        "cloud.slurm.ray_node.__main__": "ray_cluster.__main__",
        "cloud.slurm.ray_node.sweep": "ray_cluster.clear_node",
    }.items()
}


class _Finder(MetaPathFinder):
    """Must come before other finders: these would load the modules of a moved package twice."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = NEW_NAMES.get(fullname)
        if new is None:
            return None
        found = find_spec(new)
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _Loader(new), origin=found.origin, is_package=is_package)


class _Loader(Loader):
    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module(self._new)

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: the module was executed under its new name."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, for `python -m`."""
        spec = find_spec(self._new)
        loader = None if spec is None else spec.loader
        return loader.get_code(self._new) if isinstance(loader, InspectLoader) else None


def find_moved_modules() -> None:
    """Let old names be found, once in a process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
