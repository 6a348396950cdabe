"""The first process of a machine: builds the machine's own view of the file system.

It runs as a separate script, as root, in new namespaces, and imports nothing of the package:
`python3 -I boot.py SPEC.json`. At its end it executes tini, which reaps orphans. Killing this
process powers the machine off.
"""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HOST_ROOT = "/.host/root"
"""Where root in a machine finds the host's file system; only root can enter this folder."""

_NEW_ROOT = "/run"  # every system has this folder, and no machine sees that of the host
_OWN = frozenset({"proc", "run"})
_FROM_KERNEL = frozenset({"dev", "sys"})  # always those of the host, not those of `root`
_MOUNT_TIMEOUT_S = 15
_INIT = ("/usr/bin/tini", "--", "/usr/bin/sleep", "infinity")


@dataclass(frozen=True, slots=True)
class BootSpec:
    """What a machine needs beyond the host's own files."""

    hostname: str
    record: str
    """File for the pid and start time of the first process, as the host sees them."""
    booted: str
    """File to create at the end of the boot."""
    binds: list[tuple[str, str]]
    """(path on the host, path in the machine), in this order."""
    run_folders: list[tuple[str, int, int]]
    """(path under /run, owner, mode) of folders to make."""
    fake_gpus: list[str]
    """Device files to make, each a second /dev/null."""
    hide_processes: bool
    root: str = "/"
    """Folder of the host whose programs and libraries the machine has."""
    network_folder: tuple[list[str], str] | None = None
    """(command that mounts and serves a folder, path of the mount on the host); only this machine
    sees the mount. None if there is no such folder."""

    def write(self, path: Path) -> None:
        """Save for the script."""
        path.write_text(json.dumps(asdict(self)))


def main(spec_path: str) -> None:
    """Boot as the file `spec_path` says. Does not return."""
    spec = BootSpec(**json.loads(Path(spec_path).read_text()))
    _write_record(Path(spec.record))
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    socket.sethostname(spec.hostname)
    if spec.network_folder is not None:
        _mount_network_folder(*spec.network_folder)
    _build_root(Path(spec.root))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{_NEW_ROOT}/run")
    _mount("-t", "tmpfs", "-o", "mode=1777,size=2g", "tmpfs", f"{_NEW_ROOT}/dev/shm")
    for source, target in spec.binds:
        _bind(source, _NEW_ROOT + target)
    _make_run_folders(spec)
    _enter_root()
    options = "hidepid=invisible" if spec.hide_processes else "defaults"
    _mount("-t", "proc", "-o", options, "proc", "/proc")
    Path(HOST_ROOT + spec.booted).touch()
    os.execv(_INIT[0], list(_INIT))


def _write_record(path: Path) -> None:
    """Write pid and start time. Must come before /proc is replaced: it has the host's pids."""
    pid = int(Path("/proc/self").readlink().name)
    stat = Path("/proc/self/stat").read_text()
    start_ticks = int(stat[stat.rindex(")") + 2 :].split()[19])
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = {"pid": pid, "start_ticks": start_ticks, "boot_id": boot_id}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record))
    temporary.replace(path)


def _mount_network_folder(command: list[str], place: str) -> None:
    # The server and its mount end together with this machine.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + _MOUNT_TIMEOUT_S
    while not Path(place).is_mount():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{place} is not mounted")
        time.sleep(0.02)


def _build_root(root: Path) -> None:
    """Make a new root folder that shows the entries of `root`; other entries can be added to it."""
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", _NEW_ROOT)
    for entry in sorted(root.iterdir()):
        target = Path(_NEW_ROOT) / entry.name
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        elif entry.is_dir():
            target.mkdir(mode=0o755)
            source = Path("/") / entry.name if entry.name in _FROM_KERNEL else entry
            if entry.name not in _OWN:
                _mount("--rbind", str(source), str(target))
        elif entry.is_file():
            target.touch()
            _bind(str(entry), str(target))


def _make_run_folders(spec: BootSpec) -> None:
    for path, owner, mode in spec.run_folders:
        folder = Path(_NEW_ROOT + path)
        folder.mkdir(parents=True)
        folder.chmod(mode)
        os.chown(folder, owner, -1)
    for path in spec.fake_gpus:
        device = Path(_NEW_ROOT + path)
        device.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(device, 0o020666, os.makedev(1, 3))
        device.chmod(0o666)


def _enter_root() -> None:
    old_root = Path(_NEW_ROOT + HOST_ROOT)
    old_root.parent.mkdir(mode=0o700)
    old_root.mkdir()
    subprocess.run(["/usr/sbin/pivot_root", _NEW_ROOT, str(old_root)], check=True, timeout=10)
    os.chroot("/")
    os.chdir("/")


def _bind(source: str, target: str) -> None:
    """Bind a folder over a folder, or a file over a file; makes `target` if it is missing."""
    place = Path(target)
    if not place.exists():
        if Path(source).is_dir():
            place.mkdir(parents=True)
        else:
            place.touch()
    _mount("--bind", source, target)


def _mount(*arguments: str) -> None:
    # `-n`: this machine has no /etc/mtab to keep.
    subprocess.run(["/usr/bin/mount", "-n", *arguments], check=True, timeout=10)


if __name__ == "__main__":
    main(sys.argv[1])
