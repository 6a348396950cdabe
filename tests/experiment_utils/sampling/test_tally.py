"""Samples added up."""

import pytest

from tmgg.experiment_utils.sampling.gpus import GpuState
from tmgg.experiment_utils.sampling.idle import IdleWatch
from tmgg.experiment_utils.sampling.process_tree import TreeUse
from tmgg.experiment_utils.sampling.tally import GpuTally, Tally, add_states


def use(cpu_s: float, memory: int, peak: int = 0) -> TreeUse:
    return TreeUse(cpu_s=cpu_s, memory_bytes=memory, peak_bytes=peak)


def test_cpu_time_from_before_the_first_sample_does_not_count() -> None:
    tally = Tally()
    for now_s, cpu_s in ((10.0, 100.0), (11.0, 102.0), (13.0, 103.0)):
        tally.add(use(cpu_s, 1), now_s)
    assert (tally.cpu_s, tally.seconds, tally.cores_peak) == (3.0, 3.0, 2.0)


def test_a_process_that_takes_its_time_with_it_does_not_take_that_of_others() -> None:
    tally = Tally()
    for now_s, cpu_s in ((0.0, 0.0), (1.0, 5.0), (2.0, 1.0), (3.0, 2.0)):
        tally.add(use(cpu_s, 1), now_s)
    assert tally.cpu_s == 6.0


def test_memory_is_a_mean_over_time_and_a_peak_over_all_that_was_seen() -> None:
    tally = Tally()
    for now_s, memory, peak in ((0.0, 100, 100), (1.0, 100, 900), (9.0, 300, 300)):
        tally.add(use(0.0, memory, peak), now_s)
    assert tally.memory_peak_bytes == 900
    assert tally.memory_mean_bytes == (100 * 1 + 200 * 8) // 9


def state(busy: float | None, memory: int | None = 5) -> GpuState:
    return GpuState("0", "GPU-1", "H100", busy, memory, 10)


def test_a_gpu_has_means_and_peaks_of_what_it_tells() -> None:
    tallies: dict[str, GpuTally] = {}
    for busy, memory in ((10.0, 2), (None, None), (30.0, 6)):
        add_states(tallies, [state(busy, memory)])
    found = tallies["GPU-1"].use()
    assert (found.busy_mean_percent, found.busy_peak_percent) == (20.0, 30.0)
    assert (found.memory_mean_bytes, found.memory_peak_bytes, found.samples) == (4, 6, 3)


def test_a_part_of_a_gpu_that_tells_nothing_has_none() -> None:
    tallies: dict[str, GpuTally] = {}
    add_states(tallies, [state(None, None)])
    assert tallies["GPU-1"].use().busy_mean_percent is None


@pytest.mark.parametrize(
    ("looks", "findings"),
    [
        ([0.0, 0.0, 0.0, 0.0, 0.0], ["fine", "fine", "warn", "fine", "stop"]),
        ([0.0, 0.0, 0.0, 50.0, 0.0], ["fine", "fine", "warn", "fine", "fine"]),
        ([None, None, None, None, None], ["fine"] * 5),
    ],
)
def test_idle_gpus_are_warned_of_at_half_of_the_limit_and_stopped_at_it(
    looks: list[float | None], findings: list[str]
) -> None:
    watch = IdleWatch(limit_s=40.0)
    assert [watch.add([state(busy)], 10.0 * k) for k, busy in enumerate(looks)] == findings


def test_one_busy_gpu_is_enough_and_no_gpu_is_not_idle() -> None:
    watch = IdleWatch(limit_s=1.0)
    for now_s in (0.0, 10.0, 20.0):
        assert watch.add([state(0.0), state(2.0)], now_s) == "fine"
        assert watch.add([], now_s) == "fine"
