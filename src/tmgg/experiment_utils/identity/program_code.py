"""The version of a program's own code: a fingerprint of its files.

These are the program's own file and the files of the project that it uses, directly or indirectly:
by imports, by names in texts (`importlib`), by names in the config (`_target_`), and by values that
are bound or given to the program. If jobs load the script, the script is one of them. Packages of
the environment are not included.
"""

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tmgg.experiment_utils.identity.code_of_run import SHORT_HASH
from tmgg.experiment_utils.identity.project_modules import ProjectModules
from tmgg.experiment_utils.identity.source_code import Source, read_source

MOST_FILES = 1000
_MOST_NAMED = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """One version of a program's code."""

    source: str | None = None
    """A hash of all files, the same for equal files in another folder. None if there is no file."""
    files: dict[str, str] = field(default_factory=dict)
    """A short hash for each file, by its path from the root; for each folder if there are many."""
    variables: tuple[str, ...] = ()
    """Environment variables that the files read by name."""
    imports: frozenset[str] = frozenset()
    """Packages that the files import or name, also those that are not of the project."""


class ProgramCode:
    """The code of one program; it can be asked for many configs."""

    def __init__(self, file: Path, root: Path) -> None:
        """`root` is the folder from which the program's module is imported."""
        self._file, self._root = file, root
        self._modules = ProjectModules(file, root)
        self._reached: dict[Path, tuple[Source, tuple[Path, ...]]] = {}
        self._newest: tuple[tuple[tuple[Path, Source], ...], Code] = ((), Code())

    def of(self, names: Iterable[str] = ()) -> Code:
        """The code that the program's file and `names` in its config use."""
        return self.with_files(self.files_named(names))

    def files_named(self, names: Iterable[str]) -> tuple[Path, ...]:
        """The files of the project with the modules in `names`."""
        found = {file for name in set(names) for file in self._modules.files_of(name)}
        return tuple(sorted(found))

    def with_files(self, more: Iterable[Path]) -> Code:
        """The code that the program's file and these files use; changed files are read again."""
        files = self.files([self._file, *more])
        key = tuple(files.items())
        if key != self._newest[0]:
            self._newest = key, self._make(files)
        return self._newest[1]

    def files(self, first: Iterable[Path]) -> dict[Path, Source]:
        """The files `first` and all that they use, `MOST_FILES` at most."""
        found: dict[Path, Source] = {}
        waiting = deque(first)
        while waiting and len(found) < MOST_FILES:
            path = waiting.popleft()
            if path in found:
                continue
            source = read_source(path)
            if source is not None:
                found[path] = source
                waiting.extend(self._next(path, source))
        return found

    def _next(self, path: Path, source: Source) -> tuple[Path, ...]:
        known = self._reached.get(path)
        if known is None or known[0] is not source:
            files = [file for name in source.imports for file in self._modules.files_of(name, path)]
            known = self._reached[path] = source, tuple(dict.fromkeys(files))
        return known[1]

    def _make(self, files: Mapping[Path, Source]) -> Code:
        if self._file not in files:
            return Code()
        named = {os.path.relpath(path, self._root): files[path].content for path in sorted(files)}
        digest = hashlib.sha256()
        for name in sorted(named):
            digest.update(f"{name}\0{named[name]}\0".encode())
        variables = {name for source in files.values() for name in source.variables}
        imported = {name for source in files.values() for name in source.imports}
        return Code(
            imports=frozenset(re.split(r"[.:]", name)[0] for name in imported) - {""},
            source=digest.hexdigest()[:32],
            files=_short(named),
            variables=tuple(sorted(variables)),
        )


def _short(named: Mapping[str, str]) -> dict[str, str]:
    if len(named) <= _MOST_NAMED:
        return {name: content[:SHORT_HASH] for name, content in named.items()}
    folders: dict[str, list[str]] = {}
    for name in sorted(named):
        folders.setdefault(f"{os.path.dirname(name) or '.'}/", []).append(f"{name}\0{named[name]}")  # noqa: PTH120 - no path of this machine
    return {
        folder: hashlib.sha256("\0".join(held).encode()).hexdigest()[:SHORT_HASH]
        for folder, held in folders.items()
    }


def changed_files(earlier: Mapping[str, str], today: Mapping[str, str]) -> list[str]:
    """The paths from the root of the files that differ between two versions."""
    return sorted({name for name, _content in earlier.items() ^ today.items()})


def shown_file(root: str, name: str) -> str:
    """A file's path for display: from the working directory if the file is below it."""
    path = os.path.normpath(Path(root) / name)
    shown = os.path.relpath(path, Path.cwd())
    return name.replace(f"..{os.sep}", "") if shown.startswith("..") else shown
