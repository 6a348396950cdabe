"""Reads from a source file, without importing it, its imports and its environment variables.

Texts that look like the name of a module, or of a part of one, count as imports, too:
`importlib.import_module("lib.model")`, or the `_target_` of a default. So some names are found that
are no modules; they do no harm if the project has no such files.
"""

import functools
import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.identity.code_files import is_archive, is_too_large, read_texts

_FILES_KEPT = 4000
_LONGEST_TEXT = 500

_FROM = re.compile(r"(?m)^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]*)")
_IMPORT = re.compile(r"(?m)^[ \t]*import[ \t]+([^\n#;]+)")
_NAME = re.compile(r"[^\W\d]\w*")
_DOTTED = re.compile(r"[^\W\d]\w*(?:[.:][^\W\d]\w*)+")
_DOTTED_TEXT = re.compile(r"""["']([^\W\d]\w*(?:[.:][^\W\d]\w*)+)["']""")
_CALL = re.compile(r"""(?:import_module|__import__|run_module)\(\s*["'](\.*[\w.]+)["']""")
_VARIABLE = re.compile(
    r"""(?:environb?\s*\[|environb?\s*\.\s*(?:get|pop|setdefault)\s*\(|getenvb?\s*\()"""
    r"""\s*(?:key\s*=\s*)?[rRbBuU]?["']([^"'\n=]+)["']"""
)
_VARIABLE_IN = re.compile(
    r"""[bB]?["']([^"'\n=]+)["']\s+(?:not\s+)?in\s+(?:os\s*\.\s*)?environb?\b"""
)


@dataclass(frozen=True, slots=True)
class Source:
    """What was read from one file."""

    content: str
    """A hash of the whole file."""
    imports: tuple[str, ...]
    """Modules, or parts of modules; relative ones with their dots."""
    variables: tuple[str, ...]
    """Names of environment variables."""


def read_source(path: Path) -> Source | None:
    """Read one file; None if it cannot be read, or is too large."""
    try:
        status = path.stat()
        if is_too_large(path, status.st_size):
            return None
        return _read_version(path, status.st_mtime_ns, status.st_size, status.st_ino)
    except (OSError, zipfile.BadZipFile):
        return None


@functools.lru_cache(maxsize=_FILES_KEPT)
def _read_version(path: Path, _modified_ns: int, _size: int, _inode: int) -> Source:
    content = path.read_bytes()
    in_archive = is_archive(path)
    texts = list(read_texts(path, content, in_archive=in_archive))
    imports = dict.fromkeys(name for text in texts for name in parse_imports(text))
    if in_archive:
        # Relative imports of a module in an archive lead to the same archive.
        imports = dict.fromkeys(name for name in imports if not name.startswith("."))
    return Source(
        content=hashlib.sha256(content).hexdigest(),
        imports=tuple(imports),
        variables=tuple(dict.fromkeys(name for text in texts for name in parse_variables(text))),
    )


def parse_imports(text: str) -> Iterator[str]:
    """The modules that a source may import, and some more; relative ones with their dots."""
    for line in _IMPORT.findall(text):
        for part in line.split(","):
            yield part.split(" as ")[0].strip()
    for dots, module, names in _FROM.findall(text):
        yield dots + module
        for name in _NAME.findall(names):
            # The name may be that of a module, or of something in the module before it.
            yield f"{dots}{module}.{name}" if module else f"{dots}{name}"
    yield from _CALL.findall(text)
    for name in _DOTTED_TEXT.findall(text):
        yield name.replace(":", ".")


def parse_variables(text: str) -> Iterator[str]:
    """The environment variables that a source reads, if their names are literals."""
    yield from _VARIABLE.findall(text)
    yield from _VARIABLE_IN.findall(text)


def names_in(value: Any) -> Iterator[str]:
    """Texts in a config that may name a module, or a part of one: `_target_` and the like."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from names_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names_in(item)
    elif isinstance(value, str):
        yield from _parse_names(value)


def _parse_names(text: str) -> Iterator[str]:
    """The parts of a config's text that may name a module, or a part of one."""
    if _NAME.fullmatch(text):
        yield text
    for name in _DOTTED.findall(text[:_LONGEST_TEXT]):
        yield name.replace(":", ".")
