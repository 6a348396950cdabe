"""The file that has a module's code: a source, a compiled module, or an archive (zipapp, egg)."""

import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

SOURCE = ".py"
LARGEST_SOURCE_BYTES = 4 << 20
LARGEST_BINARY_BYTES = 256 << 20
"""The limit for a compiled module or an archive."""
_MOST_MEMBERS = 1000


def holder_of(place: Path) -> Path | None:
    """The file with the code: `place` itself, or the archive in whose path it is; else None."""
    for path in (place, *place.parents):
        if path.is_file():
            return path.resolve()
        if path.is_dir():
            return None
    return None


def holder_of_module(spec: ModuleSpec | None) -> Path | None:
    """The archive or compiled file of a module, from its spec; None if it has a source file."""
    if spec is None:
        return None
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    holder = holder_of(Path(places[0])) if places and places[0] else None
    return None if holder is None or holder.suffix == SOURCE else holder


def compiled_files(folder: Path, module: str) -> list[Path]:
    """The compiled files of a module in a folder, with all suffixes that this Python imports."""
    named = [folder / f"{module}{suffix}" for suffix in EXTENSION_SUFFIXES]
    return [path for path in named if path.is_file()]


def is_archive(path: Path) -> bool:
    """Whether the file is an archive that may contain source files."""
    return path.suffix != SOURCE and not _is_compiled(path) and zipfile.is_zipfile(path)


def is_too_large(path: Path, size: int) -> bool:
    """Whether a file is too large to be read."""
    return size > (LARGEST_SOURCE_BYTES if path.suffix == SOURCE else LARGEST_BINARY_BYTES)


def read_texts(path: Path, content: bytes, *, in_archive: bool) -> Iterator[str]:
    """The source texts in a file; none in a compiled module. `in_archive`: it is an archive."""
    if _is_compiled(path):
        return
    if not in_archive:
        yield content.decode(errors="replace")
        return
    with zipfile.ZipFile(path) as archive:
        sources = [each for each in archive.infolist() if each.filename.endswith(SOURCE)]
        for member in sources[:_MOST_MEMBERS]:
            if member.file_size <= LARGEST_SOURCE_BYTES:
                yield archive.read(member).decode(errors="replace")


def _is_compiled(path: Path) -> bool:
    return path.name.endswith(tuple(EXTENSION_SUFFIXES))
