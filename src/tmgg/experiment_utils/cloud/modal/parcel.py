"""What is sent to a container and what it returns: plain data, so versions may differ a little.

No exception is sent as an object: the SDK could not tell a `TimeoutError` raised in the container
from its own "not ready yet". The exception of an experiment is described in the result, inside the
envelope. Exceptions of the container's own steps are raised as a `ContainerError` with their text.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import files_below

VERSION = 1
LOG_BYTES = 4 << 20


class ContainerError(Exception):
    """A container could not run its parcel, or not send its envelope."""


@contextmanager
def as_container_errors() -> Iterator[None]:
    """Raise each exception of the block as a ContainerError."""
    try:
        yield
    except Exception as error:  # it must not look like an error of a question to Modal
        words = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ContainerError(f"in the container: {words}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """One submission as it is sent to a container."""

    token: str
    """The intent's token. The call that claims it first runs the submission."""
    submission: int
    base_dir: str
    """Working directory of the submitter. The container makes an empty folder with this path."""
    task: JsonDict
    payload: bytes | None
    artifacts: bytes
    """The files that earlier submissions left, as in `Envelope`; a retry goes on from them."""
    artifacts_limit_bytes: int
    interpreter_options: list[str] = field(default_factory=list)
    """The options of the launching Python. An older TMGG sends none, and ignores them."""

    def to_plain(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Parcel":
        """Read a parcel. Raises RecordError if this version cannot read it."""
        given = {"interpreter_options": [], **value}
        return cls(**_known(cls, given, what="what was sent to the container"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """What one call returns."""

    owner: str
    """The call that runs the submission, or NOBODY. If it is not this call, the rest is empty."""
    exit_record: JsonDict | None = None
    result: JsonDict | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    phases: str = ""
    artifacts: bytes = b""
    """The experiment's files, as a zip archive."""
    artifacts_root: str = ""
    """The folder of these files in the container."""
    usage: JsonDict | None = None
    """The resources that it used. A container with an older TMGG does not send them."""

    def to_plain(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_plain(cls, value: object) -> "Envelope":
        """Read an envelope. Raises RecordError if this version cannot read it."""
        what = "what came back from the container"
        if not isinstance(value, Mapping):
            raise RecordError(
                f"{what} is not an envelope, but a {type(value).__name__}; set another "
                "modal_app_name"
            )
        return cls(**_known(cls, {"usage": None, **value}, what=what))


def _known(cls: type[Any], value: Mapping[str, Any], *, what: str) -> dict[str, Any]:
    if value.get("version") != VERSION:
        raise RecordError(
            f"versions differ: {what} has {value.get('version')!r}, this TMGG reads "
            f"{VERSION}; use that version"
        )
    names = [item.name for item in fields(cls)]
    missing = [name for name in names if name not in value]
    if missing:
        raise RecordError(f"fields are missing: {what} lacks {', '.join(missing)}")
    return {name: value[name] for name in names}


def pack_folder(folder: Path, *, limit_bytes: int) -> tuple[bytes, list[str]]:
    """The files below a folder as an archive, small files first; and the names that did not fit.

    Links and special files are left out. If there are no files, the archive is empty bytes.
    """
    found = files_below(folder)
    left_out: list[str] = []
    packed_bytes = 0
    buffer = io.BytesIO()
    # Not compressed: the large files are weights, which compression does not make smaller.
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(found, key=lambda each: (each.stat().st_size, each)):
            name = path.relative_to(folder).as_posix()
            packed_bytes += path.stat().st_size
            if packed_bytes > limit_bytes:
                left_out.append(name)
            else:
                archive.write(path, name)
    return buffer.getvalue() if found else b"", left_out


def unpack_folder(data: bytes, folder: Path) -> None:
    """Unpack an archive; no name in it can lead out of the folder.

    Raises RecordError for a damaged archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not data:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise RecordError(f"the experiment's files cannot be unpacked: {error}") from error
