"""Finds the files of the user's project, without importing its modules.

A module belongs to the project if its file is in no folder of installed packages. It is then below
the script's folder, or below another folder on `sys.path` (from PYTHONPATH, added by the script, or
of an editable install). Modules of TMGG, or of an installed package, count only if they are in the
program's own package.
"""

import functools
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from tmgg.experiment_utils.identity.code_files import compiled_files, holder_of_module
from tmgg.experiment_utils.identity.main_script import MAIN, file_of, is_command

_INSTALLED = ("site-packages", "dist-packages")
_TMGG = Path(__file__).resolve().parents[1]

# File systems allow 255, including `.py`.
_LONGEST_NAME_BYTES = 250


@functools.cache
def installed_folders() -> tuple[Path, ...]:
    """The folders with the packages of the environment."""
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    return tuple(Path(folder).resolve() for folder in [*named, site.getusersitepackages()])


@functools.lru_cache(maxsize=4000)
def is_installed(file: Path) -> bool:
    """Whether the file belongs to a package of the environment."""
    if any(part in _INSTALLED for part in file.parts):
        return True
    return any(file.is_relative_to(folder) for folder in installed_folders())


class ProjectModules:
    """The modules that one program can import. Each place is looked at once."""

    def __init__(self, file: Path, root: Path) -> None:
        """`root` is the folder from which the program's module is imported."""
        self._root = root
        self._own = _own_package(file, root)
        on_path = {os.path.realpath(item or Path.cwd()) for item in sys.path}
        self._first = () if str(root) in on_path else (root,)
        self._specs: dict[str, ModuleSpec | None] = {}
        self._folders: dict[str, tuple[Path, ...]] = {}
        self._files: dict[tuple[str, str | None], tuple[Path, ...]] = {}

    def files_of(self, name: str, importer: Path | None = None) -> tuple[Path, ...]:
        """The project's files that an import of `name` runs, including those of its packages."""
        key = (name, str(importer.parent) if importer is not None and name[:1] == "." else None)
        if key not in self._files:
            found = dict.fromkeys(
                path for path in self._locate(name, importer) if self._is_own(path)
            )
            self._files[key] = tuple(found)
        return self._files[key]

    def _is_own(self, file: Path) -> bool:
        if self._own is not None and file.is_relative_to(self._own):
            return True
        return not is_installed(file) and not file.is_relative_to(_TMGG)

    def _locate(self, name: str, importer: Path | None) -> Iterator[Path]:
        plain = name.lstrip(".")
        dots = len(name) - len(plain)
        if dots:
            if importer is not None and dots <= len(importer.parents):
                yield from _below(importer.parents[dots - 1], plain.split("."))
            return
        top = plain.partition(".")[0]
        if top == MAIN:
            yield from script_files()
            return
        holder = holder_of_module(self._spec_of(top))
        if holder is not None:
            yield holder
            return
        for folder in self._folders_of(top):
            yield from _below(folder, plain.split("."))

    def _spec_of(self, top: str) -> ModuleSpec | None:
        if top not in self._specs:
            self._specs[top] = _find_spec(top)
        return self._specs[top]

    def _folders_of(self, top: str) -> tuple[Path, ...]:
        """The project's folders with this module or package, in the import system's order."""
        if top not in self._folders:
            places = [*self._first, *_folders_in(self._spec_of(top), top), self._root, Path.cwd()]
            has = [place for place in dict.fromkeys(places) if _is_in(top, place)]
            found = has if has and _is_namespace(has[0] / top) else has[:1]
            self._folders[top] = tuple(place for place in found if self._may_have(place, top))
        return self._folders[top]

    def _may_have(self, folder: Path, top: str) -> bool:
        if self._own is not None and (folder / top == self._own or folder == self._own.parent):
            return True
        return not is_installed(folder) and folder / top != _TMGG


def script_files() -> list[Path]:
    """The file of this process's script, unless it is a command of the environment."""
    file = file_of(MAIN)
    return [] if file is None or is_command(file) else [file]


def _is_name(part: str) -> bool:
    """Whether it can be a file's name: the parts come from texts, which may be anything."""
    return 0 < len(part.encode(errors="replace")) <= _LONGEST_NAME_BYTES


def _is_in(top: str, folder: Path) -> bool:
    return _is_name(top) and ((folder / top).is_dir() or (folder / f"{top}.py").is_file())


def _is_namespace(package: Path) -> bool:
    return package.is_dir() and not (package / "__init__.py").is_file()


def _find_spec(top: str) -> ModuleSpec | None:
    """The import system's spec of a top-level module; nothing is imported."""
    try:
        return importlib.util.find_spec(top) if top else None
    except Exception:  # other libraries' finders may raise anything; some modules have no spec
        return None


def _folders_in(spec: ModuleSpec | None, top: str) -> Iterator[Path]:
    """The folders from which the import system imports a top-level module."""
    if spec is None:
        return
    for location in spec.submodule_search_locations or ():
        if Path(location).name == top:
            yield Path(location).resolve().parent
    if spec.submodule_search_locations is None and spec.has_location and spec.origin is not None:
        yield Path(spec.origin).resolve().parent


def _below(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    for part in parts:
        if not _is_name(part):
            return
        package = folder / part / "__init__.py"
        module = folder / f"{part}.py"
        if package.is_file():
            yield package
        elif module.is_file():
            yield module
            return
        elif not (folder / part).is_dir():
            yield from compiled_files(folder, part)
            return
        folder = folder / part


def _own_package(file: Path, root: Path) -> Path | None:
    """The program's own package, if it is installed or of TMGG, so that it would not count."""
    if not is_installed(file) and not file.is_relative_to(_TMGG):
        return None
    return root / file.relative_to(root).parts[0] if file.is_relative_to(root) else file
