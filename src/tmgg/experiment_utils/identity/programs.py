"""Which program a run runs: its name, where it is, and the version of its code.

A program is a callable: its module and qualified name, and the file of the module unless it belongs
to an installed package. The `__main__` of two scripts are two programs. What is bound to the
callable, given to it or named in its config may have its code in other modules. Their files are
part of the program's code. Where the callable's own name does not tell which script or project
they are of, their places are part of the surroundings.
"""

import functools
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.identity.bound_values import travelling, unbound
from tmgg.experiment_utils.identity.code_files import holder_of, is_archive
from tmgg.experiment_utils.identity.fingerprints import fingerprint, fingerprint_code
from tmgg.experiment_utils.identity.main_script import (
    MAIN,
    file_of,
    is_loaded_by_jobs,
    name_of_main,
)
from tmgg.experiment_utils.identity.program_code import Code, ProgramCode
from tmgg.experiment_utils.identity.project_modules import is_installed
from tmgg.experiment_utils.identity.read_environment import what_is_read
from tmgg.experiment_utils.program.parts import attribute_of
from tmgg.experiment_utils.run_folder.task import module_of

OWN_APP = "tmgg-experiment: "
"""Beginning of the names of programs that TMGG's own Hydra app runs."""
_OWN_PACKAGE = "tmgg"
_SCRIPT, _PROJECT = "the script", "the project"


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
    """Its module's file, and the folder that this is imported from; the script's for a callable
    that is in no file."""
    modules: frozenset[str] = frozenset()
    """Other modules that have code of what is bound to it, or given to it."""


def program_named(target: str, names: Iterable[str] = ()) -> Program:
    """The program of `package.module:function`, found without importing anything.

    `names` are those in its config that may be modules.
    """
    module = module_of(target)
    function = target[len(module) + 1 :]
    file = _find_module(module, [*sys.path, str(Path.cwd())])
    program = _named(module, function, file, label=module)
    return program if file is None else _with_code(program, _code_of(program).of(names))


def gone_file(name: str) -> str | None:
    """The script or folder in a program's name that is not there any more; None if it is there."""
    from_folder = name.partition(" in ")[2]
    place = Path(from_folder or name.rpartition(":")[0])
    if not place.is_absolute() or os.path.lexists(place):
        return None
    return f"{name.partition(' in ')[0]} in {place}" if from_folder else str(place)


def program_of(function: Any, programs: "Programs | None" = None) -> Program:
    """The program of a callable of this process; `programs` are those of the launch."""
    bare, bound = unbound(function)
    module = attribute_of(bare, "__module__") or MAIN
    qualified_name = attribute_of(bare, "__qualname__") or type(bare).__qualname__
    beside = travelling(bare, bound)
    file = file_of(module)
    if module == MAIN:
        module = name_of_main()
    label = file.name if file is not None and "/" in module else module
    if file is None or "<lambda>" in qualified_name:
        # Nothing but its code tells it from others of this name.
        code = fingerprint_code(bare) if isinstance(bare, types.FunctionType) else fingerprint(bare)
        qualified_name = f"{qualified_name}#{code}"
    found = replace(
        _named(module, qualified_name, file, label=label),
        arguments=beside.arguments,
        surroundings=beside.surroundings,
        modules=beside.modules,
    )
    programs = programs or Programs()
    return programs.with_names(_in_script(found) if file is None else found, ())


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

    def with_names(
        self, program: Program, names: Iterable[str], modules: frozenset[str] = frozenset()
    ) -> Program:
        """The program with the code, too, that its config names and that jobs load.

        `modules` are those that have code of what is given to it.
        """
        if not program.file:
            return program
        place = program.file, program.root
        if place not in self._codes:
            self._codes[place] = _code_of(program)
        named, modules = frozenset(names), program.modules | modules
        more = self._codes[place].files_named(named | modules | self._loaded)
        key = program.file, more
        if key not in self._known:
            self._known[key] = self._codes[place].with_files(more)
        found = _with_code(program, self._known[key])
        apart = _places_apart(program, _main_in(named) | modules)
        return replace(found, surroundings=found.surroundings | apart, modules=modules)

    @cached_property
    def _loaded(self) -> frozenset[str]:
        return frozenset({MAIN} if is_loaded_by_jobs() else ())


def _named(module: str, function: str, file: Path | None, *, label: str) -> Program:
    if file is None:
        return Program(name=f"{module}:{function}", label=label)
    root, where = _place_of(module, file)
    return Program(name=f"{module}:{function}{where}", label=label, file=str(file), root=str(root))


def _place_of(module: str, file: Path) -> tuple[Path, str]:
    """The folder that it is imported from, and what a name has of it."""
    is_script = "/" in module
    in_archive = is_archive(file)
    root = file.parent if is_script or in_archive else _root_of(module, file)
    place = file if in_archive else root
    return root, "" if is_script or _is_installed(module, file) else f" in {place}"


def _in_script(program: Program) -> Program:
    """A program without a file has the code of the script that it is called from."""
    file = file_of(MAIN)
    if file is None:
        return program
    return replace(program, file=str(file), root=str(_place_of(name_of_main(), file)[0]))


def _with_code(program: Program, code: Code) -> Program:
    return replace(
        program,
        source=code.source,
        files=code.files,
        surroundings=program.surroundings | what_is_read(code.variables),
        imports=code.imports,
    )


def _code_of(program: Program) -> ProgramCode:
    file, root = Path(program.file), Path(program.root)
    return _code_seen_from(file, root, tuple(sys.path), Path.cwd(), file_of(MAIN))


@functools.lru_cache(maxsize=8)
def _code_seen_from(
    file: Path, root: Path, _path: tuple[str, ...], _here: Path, _main: Path | None
) -> ProgramCode:
    """Where its modules are is looked up once; each version of a file is read once."""
    return ProgramCode(file, root)


def _main_in(names: Iterable[str]) -> frozenset[str]:
    return frozenset({MAIN} if any(name.partition(".")[0] == MAIN for name in names) else ())


def _places_apart(program: Program, modules: Iterable[str]) -> dict[str, str]:
    """The script and the project that `modules` are of, where the program's name does not tell."""
    files = {module: file for module in modules if (file := file_of(module)) is not None}
    main, places = name_of_main(), dict[str, str]()
    script = files.pop(MAIN, None)
    if script is not None and not program.name.startswith(f"{main}:"):
        places[_SCRIPT] = f"{main}{_place_of(main, script)[1]}"
    if "/" not in program.name:
        roots = {_place_of(module, file)[1] for module, file in files.items()} - {""}
        if roots:
            places[_PROJECT] = ", ".join(sorted(root.removeprefix(" in ") for root in roots))
    return places


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
