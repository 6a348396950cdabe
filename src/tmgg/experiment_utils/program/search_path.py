"""The order in which a job looks for modules: that of the submitting process.

The interpreter's own folders are those of the job's interpreter. The script's folder, folders that
the script added and those of PYTHONPATH keep their places before or after them.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

_OF_INTERPRETER = ("stdlib", "platstdlib", "purelib", "platlib")


def own_search_path() -> list[str]:
    """The folders of scripts, PYTHONPATH and the like, without the interpreter's; absolute."""
    own = (str(entry) for entry in sys.path if not is_of_interpreter(str(entry)))
    return [str(Path(entry).absolute()) for entry in own]


def is_of_interpreter(entry: str) -> bool:
    """Whether the folder has the standard library or installed packages of this Python."""
    return entry in _interpreter_folders()


def is_of_package(entry: str) -> bool:
    """Whether the folder is within an installed package."""
    installed = (folder for folder in _interpreter_folders() if folder.endswith("-packages"))
    return any(entry.startswith(f"{folder}{os.sep}") for folder in installed)


def search_path_here() -> list[str]:
    """`sys.path` of a job's process before it is changed to the submitter's.

    The working directory, which `python -c` and `python -m` add, is left out unless PYTHONPATH has
    it.
    """
    asked = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    unasked = {"", str(Path.cwd())} - set(asked)
    return [entry for entry in sys.path if entry not in unasked]


def joined(submitted: Sequence[str], own: Iterable[str], here: Sequence[str]) -> list[str]:
    """`submitted`, with this interpreter's folders in place of those of the submitter's.

    `own` are the entries of `submitted` that are not an interpreter's folders. Entries that only
    `here` has, for example from a PYTHONPATH in the setup commands, come before the interpreter's
    folders. Folders within installed packages, which Ray adds when it is imported, come last: they
    must not hide what the user has installed.
    """
    kept = set(own)
    first = next((at for at, entry in enumerate(submitted) if entry not in kept), len(submitted))
    before, rest = list(submitted[:first]), submitted[first:]
    new = [entry for entry in here if entry not in submitted]
    late = list(filter(is_of_package, new))
    if set(rest) - kept <= set(here):  # the same interpreter: the order is what it was
        after = [*(entry for entry in new if entry not in late), *rest]
    else:
        others = (entry for entry in here if entry not in kept and entry not in late)
        after = [*others, *filter(kept.__contains__, rest)]
    return [*before, *after, *late]


def _interpreter_folders() -> frozenset[str]:
    paths = sysconfig.get_paths()
    library = Path(paths["stdlib"])
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    archive = Path(sys.base_prefix, sys.platlibdir, f"python{version}.zip")
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    named = [paths[name] for name in _OF_INTERPRETER]
    extra = [str(library / "lib-dynload"), str(library.parent / archive.name), str(archive)]
    return frozenset([*named, *extra, *site.getsitepackages(), *users])
