"""Sends the experiment's files to a URL, which may be any place that fsspec can write.

A manifest beside the files has the name, size and digest of each file that arrived. So an
interrupted upload continues where it stopped, a retry of the run sends only changed files, and
readers can check the files.
"""

import hashlib
import importlib.util
import json
import logging
import random
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tmgg.errors import ArtifactError, ConfigError
from tmgg.experiment_utils.extras import require
from tmgg.experiment_utils.files.looking import files_below

log = logging.getLogger(__name__)

MANIFEST = ".tmgg-artifacts.json"
VERSION = 1
UPLOAD_WITHIN_S = 3600.0
TRIES = 6
FIRST_RETRY_S = 1.0
# Larger files are sent in parts of this size.
PART_BYTES = 16 << 20
# Noting each of a thousand small files by itself would double the number of requests.
NOTE_EVERY_BYTES = 8 << 20
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s?#]+")
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s]*@")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?]*)\?\S+")
_USUAL_SCHEMES = (
    "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "file", "local", "sftp",
    "ssh", "ftp", "smb", "hdfs", "webhdfs", "webdav", "hf", "memory", "gdrive", "dbfs", "lakefs",
)  # fmt: skip
_S3 = ("s3://", "s3a://")
# They need no folders, and fsspec would make a new bucket if the bucket's name is mistyped.
_OBJECT_STORES = (*_S3, "gs://", "gcs://", "abfs://", "abfss://", "az://", "oci://", "oss://")
_HOPELESS = (PermissionError, FileNotFoundError, NotADirectoryError)
_Answer = TypeVar("_Answer")
_Mark = dict[str, Any]


def check_url(name: str, value: object) -> str:
    """`value` without a slash at its end; raises ConfigError if it cannot be such a URL."""
    shown = without_credentials(value) if isinstance(value, str) else value
    if shown != value:
        raise ConfigError(
            f"{name}={shown!r}: the URL has a user, a password or a token in it, which records and "
            "messages would show. Leave it out; give credentials by the environment or the file "
            "system's own configuration (for S3: AWS_PROFILE)."
        )
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise ConfigError(f"{name}={value!r} must look like 's3://bucket/folder'")
    scheme = value.partition("://")[0]
    if scheme not in _schemes():
        raise ConfigError(
            f"{name}={value!r}: no file system of fsspec is called {scheme!r}; use s3, gs, abfs, "
            "sftp, file or another of its names"
        )
    return value.rstrip("/")


def without_credentials(text: str) -> str:
    """`text` with `***` for the user, the password and the query of each URL in it."""
    return _QUERY.sub(r"\1?***", _USER.sub(r"\1***@", text))


def _schemes() -> Collection[str]:
    if importlib.util.find_spec("fsspec") is None:  # needed only in the job (an optional extra)
        return _USUAL_SCHEMES
    # Imported here: it takes 50 ms, and only uploads need it.
    from fsspec.registry import known_implementations, registry

    return {*known_implementations, *registry}


@dataclass(frozen=True, slots=True)
class Insistence:
    """Tries again with growing pauses; bounded in number and in time."""

    limit_s: float = UPLOAD_WITHIN_S
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def until(self) -> float:
        """The end of all tries, by the monotonic clock."""
        return self.monotonic() + self.limit_s

    def __call__(self, work: Callable[[], _Answer], *, what: str, until: float) -> _Answer:
        """Call `work`, several times if it fails; raises ArtifactError after the last try."""
        retry_s = FIRST_RETRY_S
        for left in reversed(range(TRIES)):
            try:
                return work()
            except Exception as error:  # every file system of fsspec has its own classes of errors
                hopeless = left == 0 or isinstance(error, _HOPELESS)
                if hopeless or self.monotonic() + retry_s > until:
                    raise ArtifactError(
                        f"{what} failed: {type(error).__name__}: {error}. Files that have arrived "
                        "are noted there; the others are sent when the run is submitted again."
                    ) from error
                log.warning("%s failed, trying again: %s", what, error)
            self.sleep(retry_s * (0.5 + self.jitter()))
            retry_s *= 2
        raise AssertionError("the last try returns or raises")


class Upload:
    """The upload of one folder to one URL."""

    def __init__(self, folder: Path, url: str, *, insist: Insistence | None = None) -> None:
        self._folder = folder
        self._url = url
        self._insist = insist or Insistence()
        self._until = self._insist.until()
        self._arrived: dict[str, _Mark] = {}
        self._unnoted_bytes = 0

    def run(self) -> list[str]:
        """Send the files that are not there yet; return the names of all files that are there now.

        Raises ArtifactError, or MissingExtraError if the package for such URLs is missing. Links
        are not sent.
        """
        self._place, self._root = _connect(self._url)
        self._arrived = self._try("reading what has arrived", self._read_manifest)
        names = [path.relative_to(self._folder).as_posix() for path in _files(self._folder)]
        for name in names:
            self._send(name)
        self._try("noting what has arrived", self._write_manifest)
        return names

    def _send(self, name: str) -> None:
        mark = _mark_of(self._folder / name)
        if self._arrived.get(name) == mark and self._try(
            f"looking for {name}", lambda: self._is_there(name, mark)
        ):
            return
        self._try(f"sending {name} to {self._url}", lambda: self._put(name, mark))
        self._arrived[name] = mark
        self._unnoted_bytes += mark["size"]
        if self._unnoted_bytes >= NOTE_EVERY_BYTES:
            self._try("noting what has arrived", self._write_manifest)

    def _try(self, what: str, work: Callable[[], _Answer]) -> _Answer:
        return self._insist(work, what=what, until=self._until)

    def _put(self, name: str, mark: _Mark) -> None:
        target = f"{self._root}/{name}"
        self._make_folder(target.rpartition("/")[0])
        parts = {"chunksize": PART_BYTES} if self._url.startswith(_S3) else {}
        self._place.put_file(str(self._folder / name), target, **parts)
        if not self._is_there(name, mark):
            raise OSError(f"{target} has another size than the file that was sent")

    def _make_folder(self, folder: str) -> None:
        if not self._url.startswith(_OBJECT_STORES):
            self._place.makedirs(folder, exist_ok=True)

    def _is_there(self, name: str, mark: _Mark) -> bool:
        target = f"{self._root}/{name}"
        self._place.invalidate_cache()
        try:
            return bool(self._place.info(target)["size"] == mark["size"])
        except FileNotFoundError:
            return False

    def _read_manifest(self) -> dict[str, _Mark]:
        self._place.invalidate_cache()
        try:
            found = json.loads(self._place.cat_file(f"{self._root}/{MANIFEST}"))
        except (FileNotFoundError, ValueError):
            return {}  # without a valid manifest all files are sent again
        known = isinstance(found, dict) and found.get("version") == VERSION
        return dict(found["files"]) if known else {}

    def _write_manifest(self) -> None:
        self._make_folder(self._root)
        text = json.dumps({"version": VERSION, "files": self._arrived}, indent=1)
        self._place.pipe_file(f"{self._root}/{MANIFEST}", text.encode())
        self._unnoted_bytes = 0


def url_of(checkpoint: str | None, folder: Path, url: str, names: list[str]) -> str | None:
    """Where a checkpoint is after the upload; unchanged if it is None or not within `folder`.

    Raises ArtifactError if it is within `folder` but was not sent.
    """
    if checkpoint is None or not Path(checkpoint).is_relative_to(folder):
        return checkpoint
    inside = Path(checkpoint).relative_to(folder).as_posix()
    if inside in names or any(name.startswith(f"{inside}/") for name in names):
        return f"{url}/{inside}"
    raise ArtifactError(
        f"checkpoint_path={checkpoint!r} is not among the files that were sent to {url}; "
        "links are not sent"
    )


def _connect(url: str) -> tuple[Any, str]:
    fsspec: Any = require("fsspec", extra="s3", purpose=f"artifact_url={url!r}")
    if url.startswith(_S3):
        require("s3fs", extra="s3", purpose=f"artifact_url={url!r}")
    try:
        place, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ArtifactError(f"artifact_url={url!r} cannot be used here: {error}") from error
    return place, str(root).rstrip("/")


def _files(folder: Path) -> list[Path]:
    return files_below(folder)


def _mark_of(path: Path) -> _Mark:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
