"""A Ray cluster of two nodes on this machine: `python -m tests.testing.two_nodes FOLDER`.

Prints the dashboard's address once both are up. `lose` on standard input kills the second node;
the end of input ends everything. Its token is in FOLDER/token.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from tmgg.experiment_utils.ray_cluster import ports, ray_command
from tmgg.experiment_utils.supervisor import processes

ADDRESS = "127.0.0.1"
_WISHES = ports.PortWishes(range=(20000, 31999))
_SHARE = ray_command.Share(
    cpus=4, gpus=0, memory_bytes=2 * 1024**3, object_store_bytes=100 * 1024**2
)
_START_TIMEOUT_S = 180


def main(folder: Path) -> None:
    processes.adopt_orphans()
    (folder / "token").write_text(secrets.token_hex(16))
    try:
        head = _start(folder, "head", None)
        _start(folder, "second", f"{ADDRESS}:{head.components['gcs']}")
        print(f"http://{ADDRESS}:{head.components['dashboard']}", flush=True)
        for line in sys.stdin:
            if line.strip() == "lose":
                _lose(folder / "second")
    finally:
        processes.kill_descendants(timeout_s=10)


def _start(folder: Path, name: str, head: str | None) -> ports.PortPlan:
    scratch = folder / name
    (scratch / "tmp").mkdir(parents=True)
    workers = ports.worker_ports_needed(_SHARE.cpus)
    block = ports.claim_block(_WISHES, seed=secrets.randbelow(50), workers=workers)
    plan = ports.plan_ports((block.first, block.last), _WISHES, workers=workers, free=ports.is_free)
    arguments = ray_command.render_start(
        plan, _SHARE, own_address=ADDRESS, head_address=head, ray_client=True, dashboard=True
    )
    environment = ray_command.render_environment(
        os.environ, scratch=scratch, token=folder / "token", interface=None
    )
    ray = Path(sys.executable).with_name("ray")
    done = subprocess.run(
        [str(ray), *arguments, f"--resources={json.dumps({'slot': 1})}"],
        env=environment
        | {"DASHBOARD_METRIC_PORT": str(plan.components["dashboard_metrics"])}
        | {"AUTOSCALER_METRIC_PORT": str(plan.components["autoscaler_metrics"])},
        capture_output=True,
        text=True,
        timeout=_START_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return plan


def _lose(scratch: Path) -> None:
    """As a node that loses power: its raylet first, so that nothing says good-bye."""
    mark = f"RAY_TMPDIR={scratch}".encode()
    names = processes.descendants()
    for pid in sorted(names, key=lambda pid: names[pid] != "raylet"):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
