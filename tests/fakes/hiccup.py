"""A file system that answers this process with an error for what is below some folder."""

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_CALLS = (
    "chmod", "link", "listdir", "lstat", "mkdir", "open", "remove", "rename", "replace", "rmdir",
    "scandir", "stat", "unlink", "utime",
)  # fmt: skip


class Hiccup:
    """While it lasts, every look below `folder` fails with `number`, in this process only."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.folder: Path | None = None
        self.number = 0
        self.refused = 0
        for name in _CALLS:
            patch.setattr(os, name, self._guarded(getattr(os, name)))
        patch.setattr(os, "access", self._access(os.access))
        opened = self._guarded(io.open)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)

    def begin(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def end(self) -> None:
        self.folder = None

    def _hits(self, path: Any) -> bool:
        if self.folder is None or isinstance(path, int):
            return False
        return f"{os.fspath(path)}/".startswith(f"{self.folder}/")

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Any = ".", *rest: Any, **options: Any) -> Any:
            if self._hits(path):
                self.refused += 1
                raise OSError(self.number, os.strerror(self.number), os.fspath(path))
            return call(path, *rest, **options)

        return guarded

    def _access(self, call: Callable[..., bool]) -> Callable[..., bool]:
        def guarded(path: Any, *rest: Any, **options: Any) -> bool:
            return not self._hits(path) and call(path, *rest, **options)

        return guarded
