"""Somebody removes a run while another looks at it: just before some look at a file of it."""

import builtins
import functools
import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from tmgg.experiment_utils.run_folder import removal
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import decided_at

_CALLS = ("chmod", "link", "listdir", "lstat", "mkdir", "open", "rename", "scandir", "stat")


class Removing:
    """Notes which files of a run are looked at, in this process; removes it before one look."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.paths: RunPaths | None = None
        self.seen: list[str] = []
        self._step: int | None = None
        self._is_busy = False
        for name in (*_CALLS, "access"):
            patch.setattr(os, name, self._noted(getattr(os, name)))
        opened = self._noted(io.open)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)

    def begin(self, paths: RunPaths, step: int | None) -> None:
        """Remove the run, if it has ended, just before look number `step`; None: only count."""
        self.paths, self.seen, self._step = paths, [], step

    def end(self) -> None:
        self.paths = None

    def _look(self, path: Any) -> None:
        if self.paths is None or self._is_busy or isinstance(path, int):
            return
        text = os.fspath(path)
        name = text if isinstance(text, str) else os.fsdecode(text)
        beside = (str(self.paths.stdout), str(self.paths.stderr), str(self.paths.ended_folder))
        if not (f"{name}/".startswith(f"{self.paths.folder}/") or name.startswith(beside)):
            return
        self.seen.append(name)
        if self._step == len(self.seen) - 1:
            self._is_busy = True
            may_go = functools.partial(_has_ended, self.paths)
            removal.remove_run(self.paths, with_output=False, may_go=may_go)
            self._is_busy = False

    def _noted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(path: Any = ".", *rest: Any, **options: Any) -> Any:
            self._look(path)
            return call(path, *rest, **options)

        return noted


def _has_ended(paths: RunPaths) -> bool:
    return decided_at(paths) is not None
