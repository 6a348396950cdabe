"""The program of a submitting process: what a job needs to make its process like it."""

import hashlib
import importlib.util
import os
import sys
import threading
import zlib
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, ModuleType

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.program.script import MAIN, Script, script_with
from tmgg.experiment_utils.program.search_path import is_of_interpreter
from tmgg.experiment_utils.run_folder.records import parse_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """How this process was started, as plain data."""

    command: str
    """`sys.argv[0]`."""
    script: str | None = None
    """The file of `__main__`; None for standard input, `python -c` and notebooks."""
    module: str | None = None
    """The module's name if it was started by `python -m`; else None."""
    is_loadable: bool = False
    """Whether a job can load the script without submitting again: the submission is made in a part
    that only the main program runs."""
    digest: str | None = None
    """SHA-256 of the script when it was submitted."""
    source: str = ""
    """The script's text, compressed, for machines that do not see its file."""
    search_path: list[str] = field(default_factory=list)
    """`sys.path`."""
    own_path: list[str] = field(default_factory=list)
    """The entries of `search_path` that are not the interpreter's own folders."""

    def to_json(self) -> JsonDict:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict) -> "Program":
        return parse_fields(cls, value, what="the program of a task")

    def source_when_submitted(self) -> bytes:
        return zlib.decompress(b64decode(self.source))


def capture_program() -> Program:
    """The program of this process, from `__main__` and the main thread's frames."""
    main = sys.modules[MAIN]
    path = script_of(main)
    search_path = [str(entry) for entry in sys.path]
    program = Program(
        command=sys.argv[0] if sys.argv else "",
        script=None if path is None else str(path),
        module=getattr(main.__spec__, "name", None),
        search_path=search_path,
        own_path=[entry for entry in search_path if not is_of_interpreter(entry)],
    )
    return program if path is None else _with_source(program, path, main)


def script_of(main: ModuleType) -> Path | None:
    """The source file of a `__main__`; None if it has none that can be read again."""
    name = getattr(main, "__file__", None)
    # "<stdin>" is not the name of a file, and a pipe can be read only once.
    path = Path(os.path.abspath(name)) if isinstance(name, str) else None  # noqa: PTH100
    return path if path is not None and path.is_file() else None


def digest_of(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _with_source(program: Program, path: Path, main: ModuleType) -> Program:
    try:
        source = path.read_bytes()
        is_loadable = _is_started_guarded(script_with(source, str(path)), main)
    except (OSError, SyntaxError, ValueError):  # it cannot be read, or is no source (a .pyc)
        return program
    facts = asdict(program) | {
        "is_loadable": is_loadable,
        "digest": digest_of(source),
        "source": b64encode(zlib.compress(source)).decode(),
    }
    return Program(**facts)


def _is_started_guarded(script: Script, main: ModuleType) -> bool:
    frame = _main_frame(main)
    return frame is not None and script.is_guarded(frame.f_lineno)


def _main_frame(main: ModuleType) -> FrameType | None:
    """The main thread's frame that runs the script itself; None if there is none."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_globals is main.__dict__ and frame.f_code.co_name == "<module>":
            return frame
        frame = frame.f_back
    return None


def find_spec(module: str) -> object:
    """The spec of a program that was started by `python -m`; None if it cannot be found."""
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
