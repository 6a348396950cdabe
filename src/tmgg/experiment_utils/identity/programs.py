"""Which program a run runs: its name, where it is, and the version of its code.

A program is a callable: its module and qualified name, and the file of the module unless it belongs
to an installed package. The `__main__` of two scripts are two programs.
"""

import functools
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.identity.code_files import holder_of, is_archive
from tmgg.experiment_utils.identity.fingerprints import Walk, digest, fingerprint, fingerprint_code
from tmgg.experiment_utils.identity.program_code import Code, ProgramCode
from tmgg.experiment_utils.identity.project_modules import is_installed
from tmgg.experiment_utils.identity.read_environment import what_is_read
from tmgg.experiment_utils.job.travelling import Ways
from tmgg.experiment_utils.run_folder.task import module_of

OWN_APP = "tmgg-experiment: "
"""Beginning of the names of programs that TMGG's own Hydra app runs."""
_OWN_PACKAGE = "tmgg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What tells a callable apart from all others."""

    name: str
    """Equal for the same program only."""
    label: str
    """The script's file name, or the module; for people."""
    source: str | None = None
    """Fingerprint of its code; None when its files cannot be found."""
    arguments: str | None = None
    """Fingerprint of what is bound to it: arguments of a partial, variables of a closure; of all
    that a function is which its module does not have under its name."""
    surroundings: dict[str, str] = field(default_factory=dict)
    """Fingerprints of what else reaches it, by name: globals and values of defaults that travel
    with it, and variables of the environment that its code reads."""
    files: dict[str, str] = field(default_factory=dict)
    """See `program_code.Code.files`."""
    imports: frozenset[str] = frozenset()
    """See `program_code.Code.imports`."""
    file: str = ""
    root: str = ""
    """Its module's file, and the folder that this is imported from."""


def program_named(target: str, names: Iterable[str] = ()) -> Program:
    """The program of `package.module:function`, found without importing anything.

    `names` are those in its config that may be modules.
    """
    module = module_of(target)
    function = target[len(module) + 1 :]
    file = _find_module(module, [*sys.path, str(Path.cwd())])
    return _program(module, function, file, label=module, names=names)


def gone_file(name: str) -> str | None:
    """The script or folder in a program's name that is not there any more; None if it is there."""
    from_folder = name.partition(" in ")[2]
    place = Path(from_folder or name.rpartition(":")[0])
    if not place.is_absolute() or os.path.lexists(place):
        return None
    return f"{name.partition(' in ')[0]} in {place}" if from_folder else str(place)


def program_of(function: Any) -> Program:
    """The program of a callable of this process."""
    bare, bound = _unbound(function)
    module = getattr(bare, "__module__", None) or "__main__"
    qualified_name = getattr(bare, "__qualname__", type(bare).__qualname__)
    arguments, surroundings = _travelling(bare, bound)
    file = _file_of(module)
    if module == "__main__":
        module = _name_of_main(file)
    label = file.name if file is not None and "/" in module else module
    if file is None or "<lambda>" in qualified_name:
        # Nothing but its code tells it from others of this name.
        code = fingerprint_code(bare) if isinstance(bare, types.FunctionType) else fingerprint(bare)
        qualified_name = f"{qualified_name}#{code}"
    found = _program(module, qualified_name, file, label=label)
    return replace(found, arguments=arguments, surroundings=surroundings | found.surroundings)


class Programs:
    """The programs of a launch with the code that each config reaches. Each file is read once."""

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}
        self._codes: dict[tuple[str, str], ProgramCode] = {}
        self._known: dict[tuple[str, tuple[Path, ...]], Code] = {}

    def named(self, target: str) -> Program:
        """See `program_named`."""
        if target not in self._programs:
            self._programs[target] = program_named(target)
        return self._programs[target]

    def with_names(self, program: Program, names: Iterable[str]) -> Program:
        """The program with the code, too, that its config names."""
        if not program.file:
            return program
        place = program.file, program.root
        if place not in self._codes:
            self._codes[place] = ProgramCode(Path(program.file), Path(program.root))
        more = self._codes[place].files_named(names)
        key = program.file, more
        if key not in self._known:
            self._known[key] = self._codes[place].with_files(more)
        code = self._known[key]
        around = program.surroundings | what_is_read(code.variables)
        return replace(
            program,
            source=code.source,
            files=code.files,
            surroundings=around,
            imports=code.imports,
        )


def _program(
    module: str, function: str, file: Path | None, *, label: str, names: Iterable[str] = ()
) -> Program:
    if file is None:
        return Program(name=f"{module}:{function}", label=label)
    is_script = "/" in module
    in_archive = is_archive(file)
    root = file.parent if is_script or in_archive else _root_of(module, file)
    place = file if in_archive else root
    where = "" if is_script or _is_installed(module, file) else f" in {place}"
    code = _code_of(file, root, tuple(sys.path), Path.cwd()).of(names)
    return Program(
        name=f"{module}:{function}{where}",
        label=label,
        source=code.source,
        files=code.files,
        surroundings=what_is_read(code.variables),
        imports=code.imports,
        file=str(file),
        root=str(root),
    )


@functools.lru_cache(maxsize=8)
def _code_of(file: Path, root: Path, _path: tuple[str, ...], _here: Path) -> ProgramCode:
    """Where its modules are is looked up once; each version of a file is read once."""
    return ProgramCode(file, root)


def _unbound(function: Any) -> tuple[Any, list[Any]]:
    """The function itself, and what is bound to it."""
    bound: list[Any] = []
    while True:
        if isinstance(function, functools.partial):
            bound.append([list(function.args), function.keywords])
            function = function.func
        elif isinstance(function, types.MethodType):
            bound.append(function.__self__)
            function = function.__func__
        else:
            return function, bound


def _travelling(function: Any, bound: Sequence[Any]) -> tuple[str | None, dict[str, str]]:
    """Fingerprints of what travels beside the function's name."""
    walk = Walk()
    counted = [walk.plain(each) for each in bound]
    beside: dict[str, Any] = {}
    if isinstance(function, types.FunctionType):
        way = Ways().of(function)
        if not way.is_named:
            counted.append(walk.plain(function))
        elif way.is_script or not way.is_reference:
            held = walk.of_named(function)
            beside = {f"{function.__module__}.{function.__qualname__}()": held} if held else {}
    else:
        plain = walk.plain(function)
        if not (isinstance(function, type) and Ways().of(function).is_reference):
            counted.append(plain)  # an object that can be called, or a class that travels
    beside |= walk.globals
    return digest(counted) if counted else None, {name: digest(v) for name, v in beside.items()}


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else holder_of(Path(file).absolute())


def _name_of_main(file: Path | None) -> str:
    """The module that `python -m` ran; for a script, its path."""
    spec: ModuleSpec | None = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return spec.name
    return "__main__" if file is None else str(file)


def _find_module(module: str, path: Sequence[str]) -> Path | None:
    """Its file, by the import system's own finder; only folders on the way are looked at."""
    places: Sequence[str] | None = list(dict.fromkeys(item or str(Path.cwd()) for item in path))
    spec: ModuleSpec | None = None
    name = ""
    for part in module.split("."):
        if places is None:
            return None
        name = f"{name}.{part}" if name else part
        try:
            spec = PathFinder.find_spec(name, places)
            if spec is None and name == module.partition(".")[0]:
                spec = importlib.util.find_spec(name)  # an editable install brings a finder
        except KeyError:
            # A folder without __init__.py in another one: the finder looks for that in sys.modules.
            places, spec = [f"{place}/{part}" for place in places], None
            continue
        except (ImportError, OSError, ValueError):
            return None
        if spec is None:
            return None
        locations = spec.submodule_search_locations
        places = None if locations is None else list(locations)
    origin = None if spec is None else spec.origin
    return None if origin is None else holder_of(Path(origin).absolute())


def _root_of(module: str, file: Path) -> Path:
    """The folder that the top-level package or module is imported from."""
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[min(depth, len(file.parents) - 1)]


def _is_installed(module: str, file: Path) -> bool:
    """Whether the module's name says which one it is."""
    if module.partition(".")[0] == _OWN_PACKAGE:
        return True
    return is_installed(file)
