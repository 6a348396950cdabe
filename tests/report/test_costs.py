"""Where the hours went; seeds and intervals; what runs held."""

import dataclasses
import statistics

import pytest

from tests.report.sample import failed_run, run, use
from tmgg.report.costs import add_costs
from tmgg.report.held import Allocation, Unit, held_by, held_by_job
from tmgg.report.model import Span
from tmgg.report.statistics import group_by_seed, interval_of, is_seed


def test_hours_are_those_of_all_gpus_and_waiting_is_free() -> None:
    costs = add_costs([run(0)])
    assert costs is not None
    assert costs.unit == "GPU"
    assert costs.startup == pytest.approx(2 * 365 / 3600)
    assert costs.busy == pytest.approx(2 * 0.8)
    assert costs.idle == pytest.approx(2 * 0.2)
    assert costs.total == pytest.approx(2 * 3965 / 3600)
    assert costs.is_idle_known


def test_a_failed_run_is_waste() -> None:
    costs = add_costs([failed_run(0, "boom")])
    assert costs is not None
    assert costs.failed == pytest.approx(1.0)
    assert costs.busy == 0.0
    assert costs.wasted == costs.total


def test_without_knowing_how_busy_gpus_were_none_of_it_is_called_idle() -> None:
    costs = add_costs([run(0, used=use(None)), run(1)])
    assert costs is not None
    assert costs.busy == pytest.approx(2 + 2 * 0.8)
    assert not costs.is_idle_known


def test_how_busy_the_drivers_node_was_says_nothing_of_the_others() -> None:
    for unit in (Unit(gpus=8.0), Unit(cpus=32.0)):
        costs = add_costs([run(0, unit=unit, node_count=4)])
        assert costs is not None
        assert (costs.busy, costs.idle, costs.is_idle_known) == (unit.gpus + unit.cpus, 0, False)


def test_how_busy_the_last_start_was_says_nothing_of_the_earlier_ones() -> None:
    spans = [Span("run", 0.0, 3600.0), Span("queue", 3600.0, 4000.0), Span("run", 4000.0, 7600.0)]
    costs = add_costs([run(0, spans=spans)])
    assert costs is not None
    assert (costs.busy, costs.idle, costs.is_idle_known) == (4.0, 0, False)


def test_a_sweep_without_gpus_has_cpu_hours() -> None:
    costs = add_costs([run(0, unit=Unit(cpus=8.0))])
    assert costs is not None
    assert costs.unit == "CPU"
    assert costs.busy == pytest.approx(8 * 2 / 8)


def test_runs_of_which_nothing_says_what_they_held_are_counted() -> None:
    costs = add_costs([run(0, unit=Unit()), run(1, unit=Unit(cpus=1.0)), run(2, spans=[])])
    assert costs is not None
    assert (costs.began, costs.not_measured) == (2, 1)
    alone = add_costs([run(0, unit=Unit())])
    assert alone is not None
    assert (alone.total, alone.not_measured) == (0, 1)


def test_of_a_packed_job_the_part_that_no_run_had_is_reported() -> None:
    runs = [run(n, unit=Unit(cpus=2.0), allocation="sweep.1") for n in range(2)]
    job = Allocation(unit=Unit(cpus=8.0), seconds=7200.0)
    costs = add_costs(runs, {"sweep.1": job})
    assert costs is not None
    assert costs.unfilled == pytest.approx(8 * 2 - 2 * 2 * 3965 / 3600)
    assert costs.total == pytest.approx(16.0), "what the job held"
    assert costs.is_unfilled_known


@pytest.mark.parametrize(
    "job",
    [
        Allocation(unit=Unit(cpus=8.0), seconds=None),
        Allocation(unit=Unit(cpus=8.0), seconds=7200.0, has_whole_nodes=True),
    ],
)
def test_what_the_records_of_a_packed_job_do_not_tell_is_not_guessed(job: Allocation) -> None:
    costs = add_costs([run(0, unit=Unit(cpus=2.0), allocation="sweep.1")], {"sweep.1": job})
    assert costs is not None
    assert (costs.unfilled, costs.is_unfilled_known) == (0, False)


def test_what_only_waited_has_no_costs() -> None:
    assert add_costs([run(0, spans=[Span("queue", 0.0, 9.0)])]) is None


@pytest.mark.parametrize(
    ("backend", "settings", "is_packed", "held"),
    [
        ("slurm", {"nodes": 2, "gpus_per_task": 4, "cpus_per_task": 8}, False, (8, 16)),
        ("slurm", {"nodes": 1, "tasks_per_node": 4, "gpus_per_task": 1, "cpus_per_task": 2}, False,
         (4, 8)),
        ("slurm", {"nodes": 3, "gpus_per_task": 2, "cpus_per_task": 8, "runs_per_node": 4}, True,
         (0.5, 2)),
        ("local", {"gpus_per_run": 1, "cpus_per_run": 3}, False, (1, 3)),
        ("ray", {"gpus_per_run": 0.5, "cpus_per_run": 1.0}, False, (0.5, 1)),
        ("modal", {"gpu_type": "H100", "gpus_per_task": 2, "cpus_per_task": 4}, False, (2, 4)),
        ("other", {"gpus_per_run": "many"}, False, (0, 0)),
    ],
)  # fmt: skip
def test_what_a_run_held_is_in_its_options(
    backend: str, settings: dict[str, object], is_packed: bool, held: tuple[float, float]
) -> None:
    unit = held_by(backend, settings, None, is_packed=is_packed)
    assert (unit.gpus, unit.cpus) == held


def test_a_run_holds_on_each_node_what_was_given_on_those_that_were_seen() -> None:
    settings = {"nodes": 4, "cpus_per_task": 8}
    one = dataclasses.replace(use(), cpus_allotted=10)
    assert held_by("slurm", settings, one, is_packed=False).cpus == 40
    two = dataclasses.replace(one, hosts=["node1", "node2"], cpus_allotted=20)
    assert held_by("slurm", settings, two, is_packed=False).cpus == 40


def test_a_local_run_holds_what_it_was_given_or_else_what_it_used() -> None:
    measured = dataclasses.replace(use(), cpu_cores_mean=1.5, cpus_allotted=2)
    assert held_by("local", {"cpus_per_run": 1}, measured, is_packed=False).cpus == 1
    assert held_by("local", {}, measured, is_packed=False).cpus == 1.5
    burst = dataclasses.replace(measured, cpu_cores_mean=2.1)
    assert held_by("local", {}, burst, is_packed=False).cpus == 2, "no more than there are"
    assert held_by("local", {}, None, is_packed=False).cpus == 0


@pytest.mark.parametrize(
    ("settings", "runs", "held"),
    [
        ({"nodes": 3, "gpus_per_task": 2, "cpus_per_task": 8, "runs_per_node": 4}, 100, (6, 24)),
        ({"nodes": 3, "cpus_per_task": 8}, 2, (0, 16)),
        ({"nodes": 3, "cpus_per_task": 8, "nodelist": "node[1-3]"}, 2, (0, 24)),
    ],
)
def test_a_packed_job_holds_its_nodes_and_no_more_of_them_than_runs(
    settings: dict[str, object], runs: int, held: tuple[float, float]
) -> None:
    unit = held_by_job(settings, runs=runs)
    assert (unit.gpus, unit.cpus) == held


def test_the_interval_of_a_mean_is_students() -> None:
    # Of 1, 2, 3: mean 2, deviation 1, t(2 degrees of freedom) 4.303.
    found = interval_of([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - found.mean == pytest.approx(4.303 / 3**0.5)
    alone = interval_of([5.0])
    assert (alone.low, alone.high, alone.count) == (5.0, 5.0, 1)


def test_runs_are_grouped_over_seeds_and_what_failed_is_left_out() -> None:
    runs = [*(run(number) for number in range(12)), failed_run(12, "boom")]
    runs.append(run(13, metrics={"val_loss": float("nan")}))
    groups = group_by_seed(runs, "val_loss")
    assert [group.interval.count for group in groups] == [3, 3, 3, 3]
    assert groups[0].overrides == {"lr": "0.1", "width": "64"}


def test_only_different_seeds_make_an_interval() -> None:
    def counts(*seeds: str | None) -> list[int]:
        runs = [
            run(n, overrides={"lr": "0.1"} | ({} if seed is None else {"seed": seed}))
            for n, seed in enumerate(seeds)
        ]
        return [group.interval.count for group in group_by_seed(runs, "val_loss")]

    assert counts("1", "2", "3") == [3]
    assert counts(None, None) == [1, 1], "the same config twice, of two sweeps"
    assert counts("1", "2", "1", "2") == [1, 1, 1, 1], "the same seeds twice"
    assert counts(None, "1", "2") == [1, 1, 1], "the seed that counts by default may be 1"


@pytest.mark.parametrize(("count", "quantile"), [(22, 2.080), (31, 2.042), (61, 2.000)])
def test_the_interval_of_many_seeds_is_students_too(count: int, quantile: float) -> None:
    values = [0.01 * number for number in range(count)]
    found = interval_of(values)
    half = quantile * statistics.stdev(values) / count**0.5
    assert found.high - found.mean == pytest.approx(half, rel=1e-3)


def test_seeds_are_known_by_their_names() -> None:
    for name in ("seed", "trainer.seed", "+seed", "model.random_state"):
        assert is_seed(name)
    for name in ("lr", "seeds_per_batch", "seed.mode"):
        assert not is_seed(name)


def test_runs_without_overrides_still_have_costs() -> None:
    assert add_costs([dataclasses.replace(run(0), overrides={}, title="a call")]) is not None
