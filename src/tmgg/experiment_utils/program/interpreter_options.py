"""The interpreter's own options, as in `python -O -W error app.py`: a job's process gets them, too.

They change what code does: whether `assert` is executed, which warnings are errors. Python's
`multiprocessing` passes them on in the same way, by a private function. Left out are

- `-E`, `-I`, `-P`, `-s`, `-S`: they say where modules are looked for. TMGG itself restores
  `sys.path`, and a job's setup commands may need PYTHONPATH to find TMGG at all.
- `-i`, `-q`: they are for a person at a terminal.
- `-u`: every job has it.
"""

import sys
from collections.abc import Iterator

_FLAGS = {
    "optimize": "O",
    "bytes_warning": "b",
    "dont_write_bytecode": "B",
    "debug": "d",
    "verbose": "v",
}
"""Names in `sys.flags`, and the option's letter, which is repeated as often as the flag counts."""
_BYTES_WARNINGS = {1: "default::BytesWarning", 2: "error::BytesWarning"}


def interpreter_options() -> list[str]:
    """Arguments for a Python interpreter, so that it behaves as this one does."""
    return [*_flags(), *(f"-W{each}" for each in _warnings()), *_x_options()]


def _flags() -> Iterator[str]:
    for name, letter in _FLAGS.items():
        count = int(getattr(sys.flags, name))
        if count:
            yield "-" + letter * count


def _warnings() -> list[str]:
    """The values of `-W` and PYTHONWARNINGS, without those that other options add."""
    given = list(map(str, sys.warnoptions))
    if sys.flags.dev_mode and "default" in given:
        given.remove("default")
    of_bytes = _BYTES_WARNINGS.get(min(sys.flags.bytes_warning, 2))
    # Python adds this value at the end, unless it was given; of different values the last counts.
    if given and given[-1] == of_bytes:
        given.pop()
    return given


def _x_options() -> Iterator[str]:
    given = dict(sys._xoptions)
    if sys.flags.dev_mode:
        given.setdefault("dev", True)  # from PYTHONDEVMODE
    # For `-X utf8 -X utf8=0` Python uses the first, but `sys._xoptions` has the last.
    if "utf8" in given and (given["utf8"] in (True, "1")) != bool(sys.flags.utf8_mode):
        yield f"-Xutf8={sys.flags.utf8_mode}"
    for name, value in given.items():
        yield f"-X{name}" if value is True else f"-X{name}={value}"
