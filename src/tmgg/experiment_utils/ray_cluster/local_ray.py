"""Starts this node's Ray, with other ports if these are in use, and watches it."""

import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY
from tmgg.experiment_utils.ray_cluster import addresses, ports
from tmgg.experiment_utils.ray_cluster.children import Children
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.ray_cluster.ray_command import Share, render_start
from tmgg.experiment_utils.supervisor import processes

ATTEMPTS = 3
_LOG_LINES = 15
_KILL_TIMEOUT_S = 5.0
# If one of these processes ends, this node's Ray has ended.
_VITAL = ("raylet", "gcs_server")
_STARTER = "tmgg.experiment_utils.ray_cluster.starter"


class RayReports(Protocol):
    """The receiver of reports about this node's Ray."""

    def ray_up(self, plan: ports.PortPlan) -> None: ...

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        """It cannot be started; with `no_ray` because Ray is not installed, or too old."""

    def ray_lost(self, why: str) -> None:
        """It ended after it was up."""

    def notice(self, text: str) -> None: ...

    def spared(self) -> list[int]:
        """Processes of this node that are not Ray's."""


class LocalRay:
    """`ray start` on this node, at most `ATTEMPTS` times, each time with other ports."""

    def __init__(
        self,
        reports: RayReports,
        loop: Loop,
        children: Children,
        *,
        wishes: ports.PortWishes,
        seed: int,
        share: Share,
        environment: Mapping[str, str],
        log: Path,
        dashboard: bool = False,
    ) -> None:
        self._reports = reports
        self._loop = loop
        self._children = children
        self._wishes = wishes
        self._seed = seed
        self._share = share
        self._environment = environment
        self._log = log
        self._dashboard = dashboard
        self._blocks: list[ports.Block] = []
        self._starter: subprocess.Popen[bytes] | None = None
        self._plan: ports.PortPlan | None = None
        self._is_up = False
        self._own_address = ""
        self._head_address: str | None = None

    def prepare(self) -> None:
        """Start the process that imports Ray and waits for its arguments."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with self._log.open("wb") as log:
            self._starter = self._children.spawn(
                [sys.executable, "-m", _STARTER, str(writing)],
                environment=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                on_exit=self._starter_ended,
                pass_fds=[writing],
            )
        os.close(writing)
        starter = self._starter
        self._loop.watch(reading, lambda: self._starter_said(reading, starter))

    def claim_block(self) -> ports.Block:
        """Claim the ports for the next attempt. Raises PortsTakenError."""
        block = ports.claim_block(
            self._wishes,
            seed=self._seed,
            workers=self._workers,
            avoid=[block.first for block in self._blocks],
        )
        self._blocks.append(block)
        return block

    def start(self, own_address: str, head_address: str | None) -> None:
        """Start Ray: as the head if `head_address` is None, else as a node of that head."""
        self._own_address, self._head_address = own_address, head_address
        if not self._blocks:
            self.claim_block()
        self._attempt()

    def settle(self) -> None:
        """Let the starter do the steps that were postponed until Ray was up."""
        if self._starter is not None and self._starter.stdin is not None:
            self._starter.stdin.close()

    def _attempt(self) -> None:
        block = self._blocks[-1]
        plan = ports.plan_ports(
            (block.first, block.last), self._wishes, workers=self._workers, free=ports.is_free
        )
        for note in plan.notes:
            self._reports.notice(f"{note}; taking others")
        self._plan = plan
        arguments = render_start(
            plan,
            self._share,
            own_address=self._own_address,
            head_address=self._head_address,
            ray_client=importlib.util.find_spec("grpc") is not None,
            dashboard=self._dashboard,
        )
        environment = {
            **self._collectives(),
            "AUTOSCALER_METRIC_PORT": str(plan.components["autoscaler_metrics"]),
            "DASHBOARD_METRIC_PORT": str(plan.components["dashboard_metrics"]),
        }
        order = json.dumps({"arguments": arguments, "environment": environment})
        assert self._starter is not None
        assert self._starter.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the starter has ended; see its exit code
            self._starter.stdin.write(order.encode() + b"\n")
            self._starter.stdin.flush()

    def _collectives(self) -> dict[str, str]:
        """The network interface for Gloo, which otherwise looks up the node's name (127.0.1.1?)."""
        name = addresses.interface_of_address(self._own_address)
        if name is None or "GLOO_SOCKET_IFNAME" in self._environment:
            return {}
        return {"GLOO_SOCKET_IFNAME": name}

    @property
    def _workers(self) -> int:
        return ports.worker_ports_needed(self._share.cpus)

    def _starter_said(self, pipe: int, starter: subprocess.Popen[bytes]) -> None:
        said = os.read(pipe, 64)
        self._loop.unwatch(pipe)
        os.close(pipe)
        if said and starter is self._starter:  # not a starter that was given up meanwhile
            self._up()

    def _starter_ended(self, code: int) -> None:
        if self._is_up:
            if code != 0:
                self._reports.notice(f"`ray start` ended with {code}:\n{self._last_words()}")
        elif code == 0 and self._plan is not None:
            self._up()
        else:
            self._retry(code)

    def _up(self) -> None:
        assert self._plan is not None
        self._is_up = True
        found = {name: pid for pid, name in processes.descendants().items() if name in _VITAL}
        for name, pid in found.items():
            self._children.look_after(pid, functools.partial(self._lost, name))
        if "raylet" in found:
            self._reports.ray_up(self._plan)
        else:
            self._reports.ray_failed(f"Ray's raylet has ended:\n{self._last_words()}", no_ray=False)

    def _retry(self, code: int) -> None:
        why = self._last_words()
        # Without a plan Ray failed before it got any ports, so other ports would not help.
        if code == NO_RAY or self._plan is None or len(self._blocks) >= ATTEMPTS:
            self._reports.ray_failed(why, no_ray=code == NO_RAY)
            return
        self._reports.notice(f"Ray did not start (exit code {code}); trying other ports:\n{why}")
        self.settle()
        processes.kill_descendants(timeout_s=_KILL_TIMEOUT_S, spare=self._reports.spared())
        try:
            self.claim_block()
            self.prepare()
            self._attempt()
        except ports.PortsTakenError as error:
            self._reports.ray_failed(str(error), no_ray=False)

    def _lost(self, name: str, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._reports.ray_lost(f"Ray's {name} {how}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if line.strip()][-_LOG_LINES:])
