"""The checks on one node of the doctor's job: srun runs `python -m ... FOLDER` on each node.

Each node writes down the ports on which it listens, then tries to reach other nodes. The module
imports neither torch nor ray; it tries `import ray` in a separate process.
"""

import concurrent.futures
import contextlib
import ctypes
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tmgg import __version__
from tmgg.experiment_utils.cloud.slurm.site.doctor.exchange import Exchange
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.job.gpu_variables import (
    DRIVER_LIBRARIES,
    count_visible,
    visible_devices,
)
from tmgg.experiment_utils.ray_cluster.addresses import address_towards
from tmgg.experiment_utils.ray_cluster.head_address import head_address
from tmgg.experiment_utils.ray_cluster.preflight import ray_problem

NOTE_LIMIT_S = 60.0
CONNECT_LIMIT_S = 5.0
IMPORT_LIMIT_S = 120.0
# Up to this many nodes, all pairs are tried; with more, each node tries the head and the next
# NEIGHBOURS nodes.
ALL_PAIRS_UP_TO = 16
NEIGHBOURS = 4


def main(folder: Path) -> int:
    plan = read_json(folder / "plan.json")
    if plan is None:
        sys.stderr.write(f"tmgg: {socket.gethostname()} does not see {folder}/plan.json\n")
        return 1
    probe = NodeProbe(Exchange(folder), plan, number=int(os.environ["SLURM_PROCID"]))
    with probe.listening():
        probe.report()
        probe.try_links()
        probe.wait_for_others()
    return 0


class NodeProbe:
    """Node `number` of the job; number 0 would be Ray's head."""

    def __init__(self, exchange: Exchange, plan: JsonDict, *, number: int) -> None:
        self._exchange = exchange
        self._nodes: list[str] = plan["nodes"]
        self._plan = plan
        self._number = number
        self._ports: dict[str, str | None] = {}
        """By port: the error when this node tried to listen; None if there was no error."""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen on the ports that Ray would use; an error is noted for the report."""
        head_port = self._plan["head_port"]
        head_ports = [head_port] if self._number == 0 and head_port is not None else []
        with contextlib.ExitStack() as stack:
            for port in [*head_ports, *self._plan["worker_ports"]]:
                try:
                    stack.enter_context(_listen(port))
                    self._ports[str(port)] = None
                except OSError as error:
                    self._ports[str(port)] = str(error)
            yield

    def report(self) -> None:
        """Write the note about this node."""
        address, trouble = self._address()
        if self._number == 0:
            self._exchange.put("head", {"address": address})
        resolved, resolve_s = _resolve_own_name()
        self._exchange.put(
            f"node-{self._number}",
            {
                "number": self._number,
                "host": socket.gethostname(),
                "address": address,
                "address_trouble": trouble,
                "name_resolves_to": resolved,
                "resolve_s": resolve_s,
                "ports": self._ports,
                "interpreter": sys.executable,
                "python": platform.python_version(),
                "tmgg": __version__,
                "saw_nonce": _saw(Path(self._plan["nonce_file"]), self._plan["nonce"]),
                "clock_offset_s": self._clock_offset_s(),
                "tmp_free_mb": shutil.disk_usage("/tmp").free >> 20,
                "ray": import_ray() if self._plan["needs_ray"] else None,
                "gpus": _gpus() if self._plan["needs_gpus"] else None,
            },
        )

    def try_links(self) -> None:
        """Try to reach other nodes, and write a note about the failures."""
        others = self._exchange.get_all("node-", count=len(self._nodes), limit_s=NOTE_LIMIT_S)
        chosen = neighbours_of(self._number, [int(note["number"]) for note in others])
        targets = [
            (note["host"], note["address"], int(port))
            for note in others
            if note["number"] in chosen and note["address"]
            for port, trouble in note["ports"].items()
            if trouble is None
        ]
        with concurrent.futures.ThreadPoolExecutor(max_workers=32) as pool:
            troubles = list(pool.map(lambda target: _connect(target[1], target[2]), targets))
        failed = [
            {"to": host, "address": address, "port": port, "error": trouble}
            for (host, address, port), trouble in zip(targets, troubles, strict=True)
            if trouble is not None
        ]
        note = {"host": socket.gethostname(), "tried": len(targets), "failed": failed}
        self._exchange.put(f"links-{self._number}", note)

    def wait_for_others(self) -> None:
        """Go on listening until all other nodes have tried to connect, or NOTE_LIMIT_S is over."""
        self._exchange.get_all("links-", count=len(self._nodes), limit_s=NOTE_LIMIT_S)

    def _address(self) -> tuple[str | None, str | None]:
        try:
            if self._number == 0:
                return head_address(self._nodes), None
            head = self._exchange.get("head", limit_s=NOTE_LIMIT_S)
            if head is None or head["address"] is None:
                return None, "the head has no address"
            return address_towards(head["address"]), None
        except OSError as error:
            return None, str(error)

    def _clock_offset_s(self) -> float:
        """The time of this node's clock minus the time of the file server's, in seconds."""
        mark = self._exchange.folder / f"clock-{self._number}"
        mark.touch()
        return time.time() - mark.stat().st_mtime


def neighbours_of(number: int, all_numbers: Sequence[int]) -> set[int]:
    """The nodes that node `number` tries to reach; never itself."""
    count = len(all_numbers)
    if count <= ALL_PAIRS_UP_TO:
        return set(all_numbers) - {number}
    order = sorted(all_numbers)
    place = order.index(number)
    following = {order[(place + step) % count] for step in range(1, NEIGHBOURS + 1)}
    return ({order[0]} | following) - {number}


def import_ray() -> JsonDict:
    """Ray's version and how long it takes to import, or what is wrong with it."""
    trouble = ray_problem()
    if trouble is not None:
        return {"trouble": trouble}
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import ray; print(ray.__version__)"],
            capture_output=True,
            text=True,
            timeout=IMPORT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"trouble": f"importing Ray takes more than {IMPORT_LIMIT_S:g} s"}
    if done.returncode != 0:
        return {"trouble": "\n".join(done.stderr.strip().splitlines()[-3:])}
    return {"version": done.stdout.split()[-1], "import_s": time.monotonic() - started}


def _resolve_own_name() -> tuple[str | None, float]:
    started = time.monotonic()
    try:
        address: str | None = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = None
    return address, time.monotonic() - started


def _saw(path: Path, nonce: str) -> bool:
    try:
        return path.read_text() == nonce
    except OSError:
        return False


def _gpus() -> JsonDict:
    named = visible_devices(os.environ)
    wanted = [DRIVER_LIBRARIES[name] for name in named] or list(DRIVER_LIBRARIES.values())
    return {
        "visible": count_visible(os.environ),
        "driver": any(_can_be_loaded(library) for library in wanted),
        "wanted": wanted,
    }


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _listen(port: int) -> socket.socket:
    """A listening socket for IPv4, and for IPv6 if it exists: a node may have no IPv4 address."""
    # The kernel completes connections by itself, so this process need not accept them.
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096
        )
    return socket.create_server(("", port), backlog=4096)


def _connect(address: str, port: int) -> str | None:
    try:
        with socket.create_connection((address, port), timeout=CONNECT_LIMIT_S):
            return None
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
