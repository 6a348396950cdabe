"""Which file a module's code is in: a source, a compiled module, or an archive (zipapp, egg)."""

import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

SOURCE = ".py"
LARGEST_SOURCE_BYTES = 4 << 20
LARGEST_BINARY_BYTES = 256 << 20
"""Of a compiled module or an archive."""
_MOST_MEMBERS = 1000


def holder_of(place: Path) -> Path | None:
    """The file that code is in: `place`, or the archive that it leads into; None for neither."""
    for path in (place, *place.parents):
        if path.is_file():
            return path.resolve()
        if path.is_dir():
            return None
    return None


def holder_of_module(spec: ModuleSpec | None) -> Path | None:
    """The archive or compiled file that the import system has a module in; None for a source."""
    if spec is None:
        return None
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    holder = holder_of(Path(places[0])) if places and places[0] else None
    return None if holder is None or holder.suffix == SOURCE else holder


def compiled_files(folder: Path, module: str) -> list[Path]:
    """The compiled files of a module in a folder, whichever interpreter they are for."""
    named = [folder / f"{module}{suffix}" for suffix in EXTENSION_SUFFIXES]
    return [path for path in named if path.is_file()]


def is_archive(path: Path) -> bool:
    """Whether other files' code may be in this one."""
    return path.suffix != SOURCE and not _is_compiled(path) and zipfile.is_zipfile(path)


def is_too_large(path: Path, size: int) -> bool:
    """Whether a file is not looked into."""
    return size > (LARGEST_SOURCE_BYTES if path.suffix == SOURCE else LARGEST_BINARY_BYTES)


def read_texts(path: Path, content: bytes, *, in_archive: bool) -> Iterator[str]:
    """The sources in a file of code; none in a compiled module. `in_archive` is `is_archive`."""
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
