"""GPUs, told by the vendor's command; a command on PATH stands in for it."""

from pathlib import Path

import pytest

from tests.experiment_utils.sampling.jobs import read, run_in_job
from tmgg.experiment_utils.sampling.gpus import (
    GpuCommand,
    GpuState,
    choose,
    parse_amd,
    parse_nvidia,
)

# As nvidia-smi of driver 550 prints it, two GPUs and a part of a third.
NVIDIA = """0, GPU-5adf, NVIDIA A100-SXM4-40GB, 93, 30517, 40960
1, GPU-8f1c, NVIDIA A100-SXM4-40GB, 0, 4, 40960
2, GPU-9b00, NVIDIA H100, [N/A], [N/A], 81920
"""
AMD = (
    '{"card0": {"Unique ID": "0x1", "GPU use (%)": "41", "VRAM Total Memory (B)": "68702699520",'
    ' "VRAM Total Used Memory (B)": "10960896"}, "system": {"Driver version": "6.3.6"}}'
)
MEGABYTE = 1 << 20


def command(folder: Path, name: str, prints: str, *, code: int = 0) -> dict[str, str]:
    """An environment in which the command of this name prints that."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "answer").write_text(prints)
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\ncat {folder / 'answer'}\nexit {code}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}


def test_nvidias_lines_are_read_and_what_is_not_reported_is_none() -> None:
    first, second, third = parse_nvidia(f"a driver's warning\n{NVIDIA}")
    assert first == GpuState(
        "0", "GPU-5adf", "NVIDIA A100-SXM4-40GB", 93.0, 30517 * MEGABYTE, 40960 * MEGABYTE
    )
    assert second.busy_percent == 0
    assert (third.busy_percent, third.memory_bytes) == (None, None)


def test_amds_answer_is_read_and_another_is_no_gpu() -> None:
    (found,) = parse_amd(AMD)
    assert (found.index, found.busy_percent, found.memory_bytes) == ("0", 41.0, 10960896)
    for text in ("", "[]", "{", '{"card0": 1}'):
        assert parse_amd(text) == ()


@pytest.mark.parametrize(
    ("visible", "seen"),
    [(None, "012"), ("1", "1"), ("2,0", "20"), ("GPU-8f", "1"), ("0,7,1", "0"), ("-1", "")],
)
def test_only_the_runs_gpus_count(visible: str | None, seen: str) -> None:
    found = choose(parse_nvidia(NVIDIA), visible)
    assert "".join(gpu.index for gpu in found) == seen


def test_the_command_is_asked_in_the_runs_environment(tmp_path: Path) -> None:
    environment = command(tmp_path, "nvidia-smi", NVIDIA)
    look = GpuCommand({**environment, "CUDA_VISIBLE_DEVICES": "1"}).ask()
    assert look is not None
    assert [gpu.uuid for gpu in look.gpus] == ["GPU-8f1c"]
    assert not GpuCommand({**environment, "CUDA_VISIBLE_DEVICES": ""}).is_there
    assert not GpuCommand({"PATH": str(tmp_path / "none")}).is_there


def test_a_command_that_fails_tells_nothing(tmp_path: Path) -> None:
    environment = command(tmp_path, "rocm-smi", AMD, code=9)
    assert GpuCommand(environment).ask() is None


def test_a_runs_gpus_are_on_its_record(tmp_path: Path) -> None:
    environment = command(tmp_path, "nvidia-smi", NVIDIA)
    lab = "import time\ndef train(config):\n time.sleep(1.5)\n"
    environment["CUDA_VISIBLE_DEVICES"] = "0"
    paths = run_in_job(tmp_path, lab, environment=environment)

    (gpu,) = read(paths.usage)["gpus"]
    assert (gpu["uuid"], gpu["busy_mean_percent"]) == ("GPU-5adf", 93.0)
    assert gpu["memory_peak_bytes"] == 30517 * MEGABYTE


def test_a_run_whose_gpus_idle_is_warned_and_ended_where_that_is_asked_for(tmp_path: Path) -> None:
    environment = command(tmp_path, "nvidia-smi", NVIDIA)
    lab = "import time\ndef train(config):\n time.sleep(60)\n"
    settings = {"idle_gpu_minutes": 0.02}
    environment["CUDA_VISIBLE_DEVICES"] = "1"
    paths = run_in_job(tmp_path, lab, settings=settings, environment=environment)

    result = read(paths.result)
    assert (result["status"], result["error_type"]) == ("failed", "tmgg.errors.IdleGpuError")
    assert "were idle for 0.02 minutes" in result["error_message"]
