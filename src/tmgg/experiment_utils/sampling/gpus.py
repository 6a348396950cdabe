"""How much the GPUs are used, by the vendor's command, which needs no administrator's rights.

The command is `nvidia-smi`, or else `rocm-smi`; on a machine without them no GPUs are seen.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.job.clock import monotonic_s, sleep_s

TIMEOUT_S = 15.0
_LOOK_EVERY_S = 0.02
_MEGABYTE = 1 << 20
_MOST_BYTES = 1 << 20
_NVIDIA = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)
_AMD = ("rocm-smi", "--showuse", "--showmeminfo", "vram", "--showuniqueid", "--json")
_VISIBLE = {
    _NVIDIA[0]: ("CUDA_VISIBLE_DEVICES",),
    _AMD[0]: ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
}


@dataclass(frozen=True, slots=True)
class GpuState:
    """One GPU at one moment."""

    index: str
    uuid: str
    name: str
    busy_percent: float | None
    """Use in the last second or less, in percent; None if the GPU reports none (a MIG slice)."""
    memory_bytes: int | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of the command, and the CPU time that it took."""

    gpus: tuple[GpuState, ...]
    cpu_s: float
    """CPU time of the command, in seconds."""


class GpuCommand:
    """Asks the vendor's command about this run's GPUs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        found = [argv for argv in (_NVIDIA, _AMD) if shutil.which(argv[0], path=_path(environment))]
        self._argv = found[0] if found else None
        self._visible = _visible(found[0][0], environment) if found else ""
        self._environment = {**environment, "LC_ALL": "C"}

    @property
    def is_there(self) -> bool:
        """Whether there is a command to ask, and the run has GPUs."""
        return self._argv is not None and self._visible != ""

    def ask(self) -> Look | None:
        """The state of the GPUs; None if the command fails or does not answer."""
        assert self._argv is not None
        try:
            text, cpu_s = _run(self._argv, self._environment)
        except (OSError, subprocess.SubprocessError):
            return None
        parse = parse_nvidia if self._argv is _NVIDIA else parse_amd
        gpus = parse(text)
        return Look(gpus=choose(gpus, self._visible), cpu_s=cpu_s) if gpus else None


def _path(environment: Mapping[str, str]) -> str | None:
    return environment.get("PATH")


def _visible(command: str, environment: Mapping[str, str]) -> str | None:
    """The devices that the run's variables name; None if none of these variables is set."""
    return next((environment[name] for name in _VISIBLE[command] if name in environment), None)


def choose(gpus: Sequence[GpuState], visible: str | None) -> tuple[GpuState, ...]:
    """The GPUs in a list such as `0,1` or `GPU-5ad...,GPU-8f1...`; all if it is None. Pure.

    As in CUDA, the list ends at the first name that no device has.
    """
    if visible is None:
        return tuple(gpus)
    found: list[GpuState] = []
    for name in visible.split(","):
        named = [gpu for gpu in gpus if _is_named(gpu, name.strip())]
        if not named:
            break
        found += named[:1]
    return tuple(found)


def _is_named(gpu: GpuState, name: str) -> bool:
    return name == gpu.index or (name.startswith("GPU-") and gpu.uuid.startswith(name))


def parse_nvidia(text: str) -> tuple[GpuState, ...]:
    """The GPUs in the lines of nvidia-smi; other lines are ignored. Pure."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) >= 6 and fields[0].isdecimal():
            index, uuid, *name, busy, used, total = fields
            found.append(
                GpuState(
                    index=index,
                    uuid=uuid,
                    name=", ".join(name),
                    busy_percent=_number(busy),
                    memory_bytes=_bytes(used, _MEGABYTE),
                    total_bytes=_bytes(total, _MEGABYTE),
                )
            )
    return tuple(found)


def parse_amd(text: str) -> tuple[GpuState, ...]:
    """The GPUs in the JSON of rocm-smi; empty for any other text. Pure."""
    try:
        cards: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(cards, dict):
        return ()
    return tuple(
        GpuState(
            index=name.removeprefix("card"),
            uuid=str(card.get("Unique ID", name)),
            name=str(card.get("Card series", "AMD GPU")),
            busy_percent=_number(card.get("GPU use (%)")),
            memory_bytes=_bytes(card.get("VRAM Total Used Memory (B)"), 1),
            total_bytes=_bytes(card.get("VRAM Total Memory (B)"), 1),
        )
        for name, card in cards.items()
        if name.startswith("card") and isinstance(card, dict)
    )


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:  # [N/A], for a part of a GPU
        return None
    return value if 0.0 <= value < 1e18 else None


def _bytes(text: object, unit: int) -> int | None:
    value = _number(text)
    return None if value is None else int(value * unit)


def _run(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[str, float]:
    """Run the command; its output and its CPU time in seconds. Raises OSError, SubprocessError."""
    answer = os.memfd_create("gpus", os.MFD_CLOEXEC)
    try:
        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        cpu_s = _wait(process)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, argv)
        return os.pread(answer, _MOST_BYTES, 0).decode(errors="replace"), cpu_s
    finally:
        os.close(answer)


def _wait(process: "subprocess.Popen[bytes]") -> float:
    """Wait for the process's end; its CPU time in seconds. After `TIMEOUT_S` it is killed."""
    deadline = monotonic_s() + TIMEOUT_S
    while True:
        # Not Popen.wait, which does not return the CPU time.
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid != 0:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used.ru_utime + used.ru_stime
        if monotonic_s() >= deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=TIMEOUT_S)
            raise subprocess.TimeoutExpired(process.args, TIMEOUT_S)
        sleep_s(_LOOK_EVERY_S)
