"""Which versions of the program's files this process uses, compared with the submitted ones.

Python reads a module's file when the module is imported. If the file is edited while the run waits
in the queue, or before the run imports it, the run computes something else. So a job reads the
files that the run's identity names before it loads the program, and checks each at its import.
"""

import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import JsonDict

SHORT_HASH = 12
"""Digits of a file's hash in the records."""
UNKNOWN = "?"
"""In place of a hash, if the version is not known: the file was edited again after its import."""

_Signature = tuple[int, int, int]
_preloaded: dict[str, str] = {}
"""A short hash of each file that was imported before this process was forked."""


@dataclass(frozen=True, slots=True)
class _Version:
    content: str
    signature: _Signature


class CodeOfRun:
    """The files of one run's program. It is a finder of modules, but only notes their imports."""

    def __init__(
        self, root: str, submitted: Mapping[str, str], submitted_at: Callable[[], float]
    ) -> None:
        """`submitted` has a short hash for each file, by its path from `root`, or for each folder.

        `submitted_at` returns the Unix time of the submission; it is called if there are folders.
        """
        self._submitted = submitted
        self._paths = {name: os.path.normpath(Path(root) / name) for name in submitted}
        self._folders = {path: name for name, path in self._paths.items() if name[-1:] == "/"}
        self._submitted_at = submitted_at() if self._folders else 0.0
        found = {name: _read(path) for name, path in self._paths.items() if name[-1:] != "/"}
        self._at_start = {name: version for name, version in found.items() if version is not None}
        self._modules: dict[str, dict[str, str]] = {}
        """By the last part of a module's name: its file, by the folder that it is imported from."""
        for name in self._at_start:
            folder, module = _importable(self._paths[name])
            self._modules.setdefault(module, {})[folder] = name
        self._at_import: dict[str, _Signature] = {}

    def find_spec(
        self, module: str, path: Iterable[str] | None = None, _target: object = None
    ) -> None:
        """Called by the import system before it reads a module's file."""
        known = self._modules.get(module.rpartition(".")[2])
        if known:
            places = map(os.path.realpath, sys.path if path is None else path)
            name = next((known[place] for place in places if place in known), None)
            if name is not None:
                self._note_import(name)

    def note_script(self, script: str) -> None:
        """Note that the script's file is read now; finders are not called for it."""
        path = os.path.realpath(script)
        for name in self._at_start:
            if self._paths[name] == path:
                self._note_import(name)

    def _note_import(self, name: str) -> None:
        signature = _signature(self._paths[name])
        if signature is not None:
            self._at_import.setdefault(name, signature)

    def changed(self) -> dict[str, str]:
        """For each file that differs from the submitted one, a short hash of the version used.

        Empty if the program was loaded from another place, such as a copy in a container.
        """
        loaded = _loaded_files()
        if loaded.isdisjoint(self._paths[name] for name in self._at_start):
            return self._changed_folders(loaded)
        had = {name: self._version(name) for name in self._at_start}
        return {name: version for name, version in had.items() if version != self._submitted[name]}

    def _version(self, name: str) -> str:
        path, start = self._paths[name], self._at_start[name]
        imported = self._at_import.get(name)
        if imported is None:
            return _preloaded.get(path, start.content)
        if imported == start.signature:
            return start.content
        now = _read(path)
        return now.content if now is not None and now.signature == imported else UNKNOWN

    def _changed_folders(self, loaded: frozenset[str]) -> dict[str, str]:
        """For a large project, of which only folders are noted: those with files that are newer."""
        newer = [path for path in loaded if self._folder_of(path) and self._is_newer(path)]
        return {self._folder_of(path): UNKNOWN for path in newer}

    def _folder_of(self, path: str) -> str:
        return self._folders.get(str(Path(path).parent), "")

    def _is_newer(self, path: str) -> bool:
        signature = _signature(path)
        return signature is not None and signature[0] / 1e9 > self._submitted_at


_current: CodeOfRun | None = None


def watch_code(identity: JsonDict | None, submitted_at: Callable[[], float]) -> None:
    """Note the program's files as they are now, and as they are when they are imported."""
    global _current
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _current]
    files, root = (identity or {}).get("files"), (identity or {}).get("root")
    is_known = isinstance(files, dict) and isinstance(root, str) and root != ""
    _current = CodeOfRun(str(root), dict(files or {}), submitted_at) if is_known else None
    if _current is not None:
        sys.meta_path.insert(0, _current)


def note_script(script: str) -> None:
    """See `CodeOfRun.note_script`."""
    if _current is not None:
        _current.note_script(script)


def changed_code() -> dict[str, str]:
    """See `CodeOfRun.changed`; empty if the program's files are not known."""
    return {} if _current is None else _current.changed()


def note_preloaded() -> None:
    """Note the project's files that this process has imported, for the runs that it will fork."""
    # Imported here: it takes milliseconds, and a run that is not forked does not need it.
    from tmgg.experiment_utils.identity.project_modules import is_installed

    for path in _loaded_files():
        version = None if is_installed(Path(path)) else _read(path)
        if version is not None:
            _preloaded[path] = version.content


def _importable(path: str) -> tuple[str, str]:
    """The folder that a file is imported from, and the last part of its module's name."""
    folder, file = os.path.split(path)
    # The name of a compiled file has the interpreter, too: `b.cpython-311-x86_64-linux-gnu.so`.
    module = file.partition(".")[0]
    if module == "__init__":
        folder, module = os.path.split(folder)
    return os.path.realpath(folder), module


def _loaded_files() -> frozenset[str]:
    """The files of all imported modules and of the script, and the archives that contain some.

    Links in the paths of their folders are resolved.
    """
    modules = list(sys.modules.values())
    archives = [getattr(getattr(each, "__loader__", None), "archive", None) for each in modules]
    files = [*archives, *(getattr(each, "__file__", None) for each in modules)]
    split = [os.path.split(file) for file in dict.fromkeys(files) if isinstance(file, str)]
    return frozenset(f"{_real_folder(folder)}/{name}" for folder, name in split)


# Cached, because thousands of modules are in some hundred folders.
_real_folder = functools.lru_cache(maxsize=4096)(os.path.realpath)


def _read(path: str) -> _Version | None:
    """The file's version; None if it cannot be read, for example because it is not on this host."""
    signature = _signature(path)
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    short_hash = hashlib.sha256(content).hexdigest()[:SHORT_HASH]
    return None if signature is None else _Version(short_hash, signature)


def _signature(path: str) -> _Signature | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
