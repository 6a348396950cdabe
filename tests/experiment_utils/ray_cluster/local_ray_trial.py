"""`python -m ... FOLDER ATTEMPTS`: a LocalRay with a stand-in for `ray start`, in its own process.

In its own because it adopts and reaps whatever there is below it. Prints what was reported as JSON.
With `kill-raylet` as third argument the raylet is killed once Ray is up.
"""

import json
import os
import signal
import sys
from pathlib import Path

from tmgg.experiment_utils.ray_cluster import local_ray
from tmgg.experiment_utils.ray_cluster.children import Children
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.ray_cluster.ports import PortPlan, PortWishes
from tmgg.experiment_utils.ray_cluster.ray_command import Share
from tmgg.experiment_utils.supervisor import processes

FAKE = "tests.experiment_utils.ray_cluster.fake_starter"
PATIENCE_S = 60.0


class Reports:
    """Notes what is reported; the last thing ends the loop."""

    def __init__(self, loop: Loop, *, kill_raylet: bool) -> None:
        self.loop = loop
        self.kill_raylet = kill_raylet
        self.said: list[str] = []
        self.ray: local_ray.LocalRay | None = None

    def ray_up(self, plan: PortPlan) -> None:
        self.said.append("up")
        assert self.ray is not None
        self.ray.settle()
        if not self.kill_raylet:
            self.loop.end(0)
        for pid, name in processes.descendants().items():
            if self.kill_raylet and name == "raylet":
                os.kill(pid, signal.SIGKILL)

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        self._last(f"failed, no_ray={no_ray}: {why}")

    def ray_lost(self, why: str) -> None:
        self._last(f"lost: {why}")

    def _last(self, text: str) -> None:
        self.said.append(text)
        self.loop.end(0)

    def notice(self, text: str) -> None:
        self.said.append(text)

    def spared(self) -> list[int]:
        return []


def main(folder: Path, attempts: str, *more: str) -> int:
    processes.adopt_orphans()
    vars(local_ray).update(_STARTER=FAKE)
    loop = Loop()
    reports = Reports(loop, kill_raylet=bool(more))
    reports.ray = local_ray.LocalRay(
        reports,
        loop,
        Children(loop),
        wishes=PortWishes(range=(41000, 49999)),
        seed=os.getpid(),
        share=Share(cpus=1, gpus=0, memory_bytes=1, object_store_bytes=1),
        environment=os.environ | {"FAKE_STARTS": attempts, "FAKE_FOLDER": str(folder)},
        log=folder / "log",
    )
    reports.ray.prepare()
    if not attempts.startswith("-"):
        reports.ray.start("127.0.0.1", None)
    loop.after(PATIENCE_S, lambda: loop.end(1))
    code = loop.run()
    left = processes.kill_descendants(timeout_s=10)
    print(json.dumps(reports.said))
    return 1 if left else code


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), *sys.argv[2:]))
