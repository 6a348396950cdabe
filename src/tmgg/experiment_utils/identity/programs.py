"""The program of a run: its name, its place, and the version of its code.

A program is a callable. Its name has the callable's module and qualified name, and the place of the
module's file if that is not in an installed package. The `__main__` of two scripts are two
programs. Values that are bound or given to the callable, or named in its config, may have their
code in other modules; the files of these are part of the program's code. If the callable's name
does not show to which script or project these modules belong, their places are part of the
surroundings.
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
    is_command,
    is_loaded_by_jobs,
    name_of_main,
)
from tmgg.experiment_utils.identity.program_code import Code, ProgramCode
from tmgg.experiment_utils.identity.project_modules import is_installed
from tmgg.experiment_utils.identity.read_environment import what_is_read
from tmgg.experiment_utils.identity.used_values import ScriptValues, Used
from tmgg.experiment_utils.program.parts import attribute_of
from tmgg.experiment_utils.run_folder.task import module_of

OWN_APP = "tmgg-experiment: "
"""The names of programs of TMGG's own Hydra app begin so."""
_OWN_PACKAGE = "tmgg"
_SCRIPT, _PROJECT = "the script", "the project"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What identifies a callable."""

    name: str
    """Equal only for the same program."""
    label: str
    """The script's file name, or the module; for display."""
    source: str | None = None
    """Fingerprint of its code; None if its files cannot be found."""
    arguments: str | None = None
    """Fingerprint of the values bound to it: arguments of a partial, variables of a closure. For a
    function that its module does not have under its name: of the whole function. None for none."""
    surroundings: dict[str, str] = field(default_factory=dict)
    """Fingerprints of its other inputs, by name: globals and values of defaults that are sent with
    it, and environment variables that its code reads."""
    files: dict[str, str] = field(default_factory=dict)
    """See `program_code.Code.files`."""
    imports: frozenset[str] = frozenset()
    """See `program_code.Code.imports`."""
    file: str = ""
    root: str = ""
    """Its module's file, and the folder from which this is imported. For a callable that is in no
    file, those of the script."""
    used: Used = field(default_factory=Used)
    """What it uses of the script, beside `arguments` and `surroundings`."""
    modules: frozenset[str] = frozenset()
    """Other modules, which have code of values that are bound or given to it."""


def program_named(target: str, names: Iterable[str] = ()) -> Program:
    """The program of `package.module:function`, found without importing anything.

    `names` are the texts in its config that may name modules.
    """
    module = module_of(target)
    function = target[len(module) + 1 :]
    file = _find_module(module, [*sys.path, str(Path.cwd())])
    program = _named(module, function, file, label=module)
    return program if file is None else _with_code(program, _code_of(program).of(names))


def working_folder(program: Program) -> str:
    """The working directory, as seen from the program's folder or from the script's.

    An absolute path if both the program and the script are installed, or if there is no script.
    """
    return _folder_seen_from(program.root if "/" in program.name else "", Path.cwd())


@functools.lru_cache(maxsize=8)
def _folder_seen_from(root: str, here: Path) -> str:
    main = file_of(MAIN)
    if not root and main is not None and not (is_command(main) or is_installed(main)):
        root = str(_place_of(name_of_main(), main)[0])
    return os.path.relpath(here, root) if root else str(here)


def gone_file(name: str) -> str | None:
    """The script or folder in a program's name, if it does not exist any more; else None."""
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
        # Its name is not unique, so a hash of its code is added.
        code = fingerprint_code(bare) if isinstance(bare, types.FunctionType) else fingerprint(bare)
        qualified_name = f"{qualified_name}#{code}"
    programs = programs or Programs()
    found = replace(
        _named(module, qualified_name, file, label=label),
        arguments=beside.arguments,
        surroundings=beside.surroundings,
        used=programs.script_values.used_by([function], sent=beside.surroundings),
        modules=beside.modules,
    )
    return programs.with_names(_in_script(found) if file is None else found, ())


class Programs:
    """The programs of a launch with the code that each config reaches. Each file is read once."""

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}
        self._codes: dict[tuple[str, str], ProgramCode] = {}
        self._named: dict[frozenset[str], Used] = {frozenset(): Used()}
        self._known: dict[tuple[str, tuple[Path, ...]], Code] = {}

    def named(self, target: str) -> Program:
        """See `program_named`."""
        if target not in self._programs:
            self._programs[target] = program_named(target)
        return self._programs[target]

    def with_names(
        self, program: Program, names: Iterable[str], modules: frozenset[str] = frozenset()
    ) -> Program:
        """The program, with the code that its config names and that jobs load.

        `modules` are the modules with code of the values that are given to it.
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
        used = program.used | self._used_by_names(_names_of_main(named), program)
        return replace(found, surroundings=found.surroundings | apart, used=used, modules=modules)

    def _used_by_names(self, names: frozenset[str], program: Program) -> Used:
        """What objects of the script use that the config names: `_target_: __main__.Net`."""
        if names not in self._named:
            found = [vars(sys.modules[MAIN]).get(name) for name in sorted(names)]
            self._named[names] = self.script_values.used_by(found, sent=program.surroundings)
        return self._named[names]

    @cached_property
    def script_values(self) -> ScriptValues:
        """The values of this process's script."""
        return ScriptValues()

    @cached_property
    def _loaded(self) -> frozenset[str]:
        return frozenset({MAIN} if is_loaded_by_jobs() else ())


def _named(module: str, function: str, file: Path | None, *, label: str) -> Program:
    if file is None:
        return Program(name=f"{module}:{function}", label=label)
    root, where = _place_of(module, file)
    return Program(name=f"{module}:{function}{where}", label=label, file=str(file), root=str(root))


def _place_of(module: str, file: Path) -> tuple[Path, str]:
    """The folder from which the module is imported, and the part of a name that shows this."""
    is_script = "/" in module
    in_archive = is_archive(file)
    root = file.parent if is_script or in_archive else _root_of(module, file)
    place = file if in_archive else root
    return root, "" if is_script or _is_installed(module, file) else f" in {place}"


def _in_script(program: Program) -> Program:
    """A program without a file gets the file of the script from which it is called."""
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
    """Cached: the places of modules are looked up once, and each version of a file is read once."""
    return ProgramCode(file, root)


def _main_in(names: Iterable[str]) -> frozenset[str]:
    return frozenset({MAIN} if any(name.partition(".")[0] == MAIN for name in names) else ())


def _names_of_main(names: Iterable[str]) -> frozenset[str]:
    parts = (name.split(".") for name in names)
    return frozenset(part[1] for part in parts if part[0] == MAIN and len(part) > 1)


def _places_apart(program: Program, modules: Iterable[str]) -> dict[str, str]:
    """The script and the projects of `modules`, if the program's name does not show them."""
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
    """The module's file, by the import system's finder; nothing is imported. None if not found."""
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
                spec = importlib.util.find_spec(name)  # an editable install has its own finder
        except KeyError:
            # A folder without __init__.py in another folder: the finder expects the outer one in
            # sys.modules.
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
    """The folder from which the top-level package or module is imported."""
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[min(depth, len(file.parents) - 1)]


def _is_installed(module: str, file: Path) -> bool:
    """Whether the module is of an installed package, so that its name is unique."""
    if module.partition(".")[0] == _OWN_PACKAGE:
        return True
    return is_installed(file)
