"""`python3 -m slurm_cluster.network_folder FROM AT`: shows FROM at AT, as an NFS client would.

It passes all requests on to FROM, and behaves like an NFS client with `actimeo=30`:

- What it learned about a name (also that it does not exist) or about a file's attributes, it
  believes for CACHE_S seconds. So it sees late that another machine made, renamed or removed a
  file.
- When a file is opened, its attributes are read anew (close-to-open consistency, nfs(5)). When a
  folder that has changed is listed, the client forgets what it knew about the names in it.
- A file is identified by its inode, not by its name. Once the file is deleted, a process that has
  it open gets ESTALE. A file that is removed or replaced on this client while it is open here gets
  the name `.nfs...` until it is closed.
- Locks are valid on this client only.

Each machine's first process runs it with Debian's interpreter, for which Debian has pyfuse3.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyfuse3
import trio

from slurm_cluster.network_nodes import CACHE_S, Node, Nodes

NAME = "netfolder"
"""The name of the process."""
_STATFS = (
    "bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "namemax",
)  # fmt: skip


class NetworkFolder(pyfuse3.Operations):  # type: ignore[misc] # pyfuse3 has no types
    """The operations that the kernel asks for."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._nodes = Nodes(source)
        self._files: dict[int, int] = {}
        """Inode number by descriptor of an open file."""
        self._listings: dict[int, tuple[Node, list[bytes]]] = {}
        self._count = 0

    async def lookup(self, parent: int, name: bytes, ctx: Any) -> Any:
        folder = self._nodes.living(parent)
        with _answers():
            try:
                return self._nodes.tell(folder, name)
            except FileNotFoundError:
                folder.told[name] = 0
                absent = pyfuse3.EntryAttributes()
                absent.st_ino = 0
                absent.entry_timeout = CACHE_S
                return absent

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for number, count in inode_list:
            self._nodes.forget(number, count)

    async def getattr(self, inode: int, ctx: Any) -> Any:
        self._nodes.living(inode)
        return self._nodes.attributes(inode)

    async def setattr(self, inode: int, attr: Any, fields: Any, fh: Any, ctx: Any) -> Any:
        node = self._nodes.living(inode)
        with _answers():
            if fields.update_size:
                descriptor = self._nodes.open(inode, os.O_WRONLY)
                try:
                    os.ftruncate(descriptor, attr.st_size)
                finally:
                    os.close(descriptor)
            self._nodes.change(node, attr, fields)
            return self._nodes.attributes(inode)

    async def readlink(self, inode: int, ctx: Any) -> bytes:
        node = self._nodes.living(inode)
        with _answers():
            return os.readlink(b"", dir_fd=node.handle)

    async def mkdir(self, parent: int, name: bytes, mode: int, ctx: Any) -> Any:
        folder = self._nodes.living(parent)
        with _answers():
            os.mkdir(name, mode, dir_fd=folder.handle)
            return self._made(folder, name, ctx)

    async def mknod(self, parent: int, name: bytes, mode: int, rdev: int, ctx: Any) -> Any:
        folder = self._nodes.living(parent)
        with _answers():
            os.mknod(name, mode, rdev, dir_fd=folder.handle)
            return self._made(folder, name, ctx)

    async def symlink(self, parent: int, name: bytes, target: bytes, ctx: Any) -> Any:
        folder = self._nodes.living(parent)
        with _answers():
            os.symlink(target, name, dir_fd=folder.handle)
            return self._made(folder, name, ctx)

    async def link(self, inode: int, new_parent: int, new_name: bytes, ctx: Any) -> Any:
        node, folder = self._nodes.living(inode), self._nodes.living(new_parent)
        with _answers():
            self._nodes.link(node, folder, new_name)
            return self._nodes.tell(folder, new_name)

    async def unlink(self, parent: int, name: bytes, ctx: Any) -> None:
        folder = self._nodes.living(parent)
        with _answers():
            if not self._is_kept(folder, name):
                os.unlink(name, dir_fd=folder.handle)
            folder.told.pop(name, None)

    async def rmdir(self, parent: int, name: bytes, ctx: Any) -> None:
        folder = self._nodes.living(parent)
        with _answers():
            os.rmdir(name, dir_fd=folder.handle)
            folder.told.pop(name, None)

    async def rename(
        self, parent_old: int, name_old: bytes, parent_new: int, name_new: bytes,
        flags: int, ctx: Any,
    ) -> None:  # fmt: skip
        if flags:
            raise pyfuse3.FUSEError(errno.EINVAL)  # NFS has none of the flags of renameat2(2)
        old, new = self._nodes.living(parent_old), self._nodes.living(parent_new)
        with _answers():
            if self._nodes.find(old, name_old) is not self._nodes.find(new, name_new):
                self._is_kept(new, name_new)
            os.rename(name_old, name_new, src_dir_fd=old.handle, dst_dir_fd=new.handle)
            moved = old.told.pop(name_old, None)
            if moved is not None:
                new.told[name_new] = moved

    async def open(self, inode: int, flags: int, ctx: Any) -> Any:
        self._nodes.living(inode)
        with _answers():
            descriptor = self._nodes.open(inode, flags)
        pyfuse3.invalidate_inode(inode, attr_only=True)  # this waits for no other request
        return self._opened(descriptor, inode)

    async def create(self, parent: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
        folder = self._nodes.living(parent)
        with _answers():
            is_new = not _exists(folder, name)
            descriptor = os.open(name, flags | os.O_CREAT, mode, dir_fd=folder.handle)
            made = self._made(folder, name, ctx) if is_new else self._nodes.tell(folder, name)
        return self._opened(descriptor, made.st_ino), made

    async def read(self, fh: int, off: int, size: int) -> bytes:
        self._nodes.living(self._files[fh])
        with _answers():
            return os.pread(fh, size, off)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        self._nodes.living(self._files[fh])
        with _answers():
            return os.pwrite(fh, buf, off)

    async def flush(self, fh: int) -> None:
        return  # nothing is buffered here: each write has gone to the server

    async def fsync(self, fh: int, datasync: bool) -> None:
        self._nodes.living(self._files[fh])
        with _answers():
            await trio.to_thread.run_sync(os.fsync, fh)

    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        return  # the server has stored every change that it confirmed

    async def release(self, fh: int) -> None:
        number = self._files.pop(fh)
        os.close(fh)
        node = self._nodes.get(number)
        node.opened -= 1
        if not node.opened and node.silly is not None:
            (folder, name), node.silly = node.silly, None
            with _answers():
                os.unlink(name, dir_fd=folder)
            os.close(folder)
        self._nodes.forget(number, 0)

    async def opendir(self, inode: int, ctx: Any) -> int:
        node = self._nodes.living(inode)
        with _answers():
            status = os.fstat(node.handle)
            descriptor = self._nodes.open(inode, os.O_RDONLY | os.O_DIRECTORY)
            try:
                names = [os.fsencode(entry.name) for entry in os.scandir(descriptor)]
            finally:
                os.close(descriptor)
        version = (status.st_mtime_ns, status.st_ctime_ns)
        if version != node.version:
            node.version = version
            # In a thread: forgetting a name may wait for a request that this process must answer.
            await trio.to_thread.run_sync(_forget_names, inode, self._outdated(node))
        self._count += 1
        self._listings[self._count] = (node, names)
        return self._count

    async def readdir(self, fh: int, start_id: int, token: Any) -> None:
        folder, names = self._listings[fh]
        for place in range(start_id, len(names)):
            name = names[place]
            try:
                attributes = self._nodes.tell(folder, name)
            except OSError:
                continue  # removed since the folder was opened
            if not pyfuse3.readdir_reply(token, name, attributes, place + 1):
                self._nodes.forget(attributes.st_ino, 1)
                return

    async def releasedir(self, fh: int) -> None:
        del self._listings[fh]

    async def statfs(self, ctx: Any) -> Any:
        told = os.fstatvfs(self._nodes.get(pyfuse3.ROOT_INODE).handle)
        answer = pyfuse3.StatvfsData()
        for name in _STATFS:
            setattr(answer, f"f_{name}", getattr(told, f"f_{name}"))
        return answer

    def _made(self, folder: Node, name: bytes, ctx: Any) -> Any:
        """Give a new file, which root has made, to the user who asked. Returns its attributes.

        In a folder with the setgid bit, the file keeps the folder's group.
        """
        inherits = os.fstat(folder.handle).st_mode & stat.S_ISGID
        group = -1 if inherits else ctx.gid
        os.chown(name, ctx.uid, group, dir_fd=folder.handle, follow_symlinks=False)
        return self._nodes.tell(folder, name)

    def _opened(self, descriptor: int, number: int) -> Any:
        self._files[descriptor] = number
        self._nodes.get(number).opened += 1
        return pyfuse3.FileInfo(fh=descriptor)

    def _is_kept(self, folder: Node, name: bytes) -> bool:
        """Rename a file to `.nfs...` if it is open here and would be deleted.

        Returns whether it was renamed. Raises OSError (EBUSY) for such a `.nfs...` file itself.
        """
        node = self._nodes.find(folder, name)
        if node is None or not node.opened or os.fstat(node.handle).st_nlink > 1:
            return False
        if node.silly is not None:
            raise OSError(errno.EBUSY, "it goes when its last user closes it")
        self._count += 1
        silly = b".nfs%016x%08x" % (node.key[1], self._count)
        os.rename(name, silly, src_dir_fd=folder.handle, dst_dir_fd=folder.handle)
        node.silly = (os.dup(folder.handle), silly)
        return True

    def _outdated(self, folder: Node) -> list[bytes]:
        """The names in a folder about which the kernel's cached knowledge is wrong by now."""
        found = []
        for name, number in list(folder.told.items()):
            node = self._nodes.find(folder, name)
            is_same = node is not None and number and node is self._nodes.get(number)
            if not is_same and (number or _exists(folder, name)):
                found.append(name)
                del folder.told[name]
        return found


def _exists(folder: Node, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder.handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _forget_names(folder: int, names: Sequence[bytes]) -> None:
    for name in names:
        try:
            pyfuse3.invalidate_entry(folder, name)
        except FileNotFoundError:
            continue  # the kernel has forgotten it by itself


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise pyfuse3.FUSEError(error.errno or errno.EIO) from error


def main(source: str, at: str) -> None:
    """Serve until the machine is off."""
    os.umask(0)  # the kernel has applied the caller's umask
    Path("/proc/self/comm").write_text(NAME)
    options = pyfuse3.default_options | {f"fsname={NAME}", "allow_other"}
    pyfuse3.init(NetworkFolder(source), at, options)
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
