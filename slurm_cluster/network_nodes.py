"""The files that one client of a network folder knows, identified by inode as in NFS."""

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import Any

import pyfuse3

CACHE_S = 30.0
_OF_NAMES = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_ATTRIBUTES = (
    "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks",
    "atime_ns", "mtime_ns", "ctime_ns",
)  # fmt: skip
_OTHER_DISK = 1 << 62
_Key = tuple[int, int]


@dataclass
class Node:
    """A file or folder that the kernel knows."""

    handle: int
    """An O_PATH descriptor: while it is open, no other file gets the inode's number."""
    key: _Key
    lookups: int = 0
    opened: int = 0
    silly: tuple[int, bytes] | None = None
    """(descriptor of the folder, name) of its `.nfs...` file, which is deleted after the last
    close."""
    told: dict[bytes, int] = field(default_factory=dict)
    """For a folder: the inode number that the kernel has for a name; 0 if it has none."""
    version: _Key | None = None
    """For a folder: its times (mtime, ctime) when it was last listed."""


class Nodes:
    """The nodes by the inode number that the kernel has for them."""

    def __init__(self, source: str) -> None:
        root = os.open(source, os.O_PATH | os.O_DIRECTORY)
        status = os.fstat(root)
        self._disk = status.st_dev
        key = (status.st_dev, status.st_ino)
        self._by_number = {pyfuse3.ROOT_INODE: Node(root, key, lookups=1)}
        self._numbers: dict[_Key, int] = {key: pyfuse3.ROOT_INODE}
        # Opens the inode of an O_PATH descriptor, even if this process's root folder changes.
        self._own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)

    def living(self, number: int) -> Node:
        """The node with this number. Raises FUSEError (ESTALE) if the file is deleted."""
        node = self._by_number[number]
        if os.fstat(node.handle).st_nlink == 0:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return node

    def get(self, number: int) -> Node:
        return self._by_number[number]

    def find(self, folder: Node, name: bytes) -> Node | None:
        """The node that has the name; None if there is none or the kernel does not know it."""
        try:
            status = os.stat(name, dir_fd=folder.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None
        number = self._numbers.get((status.st_dev, status.st_ino))
        return None if number is None else self._by_number[number]

    def tell(self, folder: Node, name: bytes) -> Any:
        """The attributes of the file with this name. From now on the kernel knows the file.

        Raises OSError.
        """
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder.handle)
        status = os.fstat(handle)
        key = (status.st_dev, status.st_ino)
        number = self._numbers.get(key)
        if number is None:
            on_disk = status.st_dev == self._disk and status.st_ino != pyfuse3.ROOT_INODE
            number = status.st_ino if on_disk else _OTHER_DISK | handle
            self._by_number[number] = Node(handle, key)
            self._numbers[key] = number
        else:
            os.close(handle)
        self._by_number[number].lookups += 1
        folder.told[name] = number
        return self.attributes(number)

    def attributes(self, number: int) -> Any:
        status = os.fstat(self._by_number[number].handle)
        entry = pyfuse3.EntryAttributes()
        for name in _ATTRIBUTES:
            setattr(entry, f"st_{name}", getattr(status, f"st_{name}"))
        entry.st_ino = number
        entry.entry_timeout = entry.attr_timeout = CACHE_S
        return entry

    def open(self, number: int, flags: int) -> int:
        """A descriptor of the file itself, even if its name has changed."""
        return os.open(str(self._by_number[number].handle), flags & ~_OF_NAMES, dir_fd=self._own)

    def link(self, node: Node, folder: Node, name: bytes) -> None:
        os.link(
            str(node.handle), name, src_dir_fd=self._own, dst_dir_fd=folder.handle,
            follow_symlinks=True,
        )  # fmt: skip

    def change(self, node: Node, attr: Any, fields: Any) -> None:
        """Change permissions, owner and times, those that `fields` says."""
        name = str(node.handle)
        if fields.update_mode:
            os.chmod(name, stat.S_IMODE(attr.st_mode), dir_fd=self._own)
        if fields.update_uid or fields.update_gid:
            uid = attr.st_uid if fields.update_uid else -1
            gid = attr.st_gid if fields.update_gid else -1
            os.chown(name, uid, gid, dir_fd=self._own)
        if fields.update_atime or fields.update_mtime:
            now = os.fstat(node.handle)
            atime = attr.st_atime_ns if fields.update_atime else now.st_atime_ns
            mtime = attr.st_mtime_ns if fields.update_mtime else now.st_mtime_ns
            os.utime(name, ns=(atime, mtime), dir_fd=self._own)

    def forget(self, number: int, count: int) -> None:
        """Subtract `count` from the kernel's lookups of the node; remove it if it is unused."""
        node = self._by_number[number]
        node.lookups -= count
        if node.lookups <= 0 and not node.opened and number != pyfuse3.ROOT_INODE:
            os.close(node.handle)
            del self._by_number[number], self._numbers[node.key]
