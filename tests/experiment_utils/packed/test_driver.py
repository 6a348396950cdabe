"""A batch on nodes that do as the test says, on a clock that nobody waits for."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tmgg.experiment_utils.job.job_exit_codes import NO_NODES, TERMINATED
from tmgg.experiment_utils.packed.allocation import Allocation
from tmgg.experiment_utils.packed.driver import Driver
from tmgg.experiment_utils.packed.keeper import NOT_NEEDED
from tmgg.experiment_utils.packed.nodes import Event
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.schedule import STARTS, Assignment
from tmgg.experiment_utils.run_folder.exit_record import (
    End,
    ExitRecord,
    leave_exit_record,
    read_exit_record,
)
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

END_S = 1000.0


@dataclass
class FakeNodes:
    """Two nodes of one run each; a run takes `lengths_s`, and ends at once when told to."""

    now_s: float = 0.0
    lengths_s: dict[str, float] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    fatal: set[str] = field(default_factory=set)
    """Runs that take their node with them."""
    on_wait: Callable[[], None] = lambda: None
    alive: set[str] = field(default_factory=lambda: {"node1", "node2"})
    events: deque[Event] = field(default_factory=deque)
    running: dict[str, tuple[float, str]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events.extend(
            Event(kind="node_ready", node=node, runs_at_once=1) for node in sorted(self.alive)
        )

    @property
    def count(self) -> int:
        return len(self.alive)

    def start(self, assignment: Assignment, order: Order) -> None:
        assert assignment.place.node in self.alive
        assert Path(order.folder).parent.name == assignment.run
        self.started.append(assignment.run)
        length_s = self.lengths_s.get(assignment.run, 10.0)
        self.running[assignment.run] = (self.now_s + length_s, assignment.place.node)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        self.on_wait()
        self.now_s += timeout_s
        for run, (ends_s, node) in list(self.running.items()):
            if self.now_s >= ends_s:
                del self.running[run]
                self.events.extend(self._end(run, node))
        happened = list(self.events)
        self.events.clear()
        return happened

    def _end(self, run: str, node: str) -> list[Event]:
        if run not in self.fatal:
            return [Event(kind="run_ended", node=node, run=run, code=self.codes.get(run, 0))]
        self.alive.discard(node)
        return [
            Event(kind="run_lost", node=node, run=run, why="the node is gone"),
            Event(kind="node_lost", node=node, why="the node is gone"),
        ]

    def end_for_time(self) -> None:
        self.told.append("time")
        self._end_all()

    def terminate(self) -> None:
        self.told.append("terminate")
        self._end_all()

    def _end_all(self) -> None:
        self.running = {run: (self.now_s, node) for run, (_, node) in self.running.items()}


@dataclass
class Trial:
    """One driver and what it leaves."""

    folder: Path
    nodes: FakeNodes
    runs: dict[str, SubmissionPaths]
    driver: Driver
    later_start: threading.Event
    """Set once the job has begun again elsewhere."""

    def record(self, run: str) -> ExitRecord | None:
        return read_exit_record(self.runs[run])

    def kind(self, run: str) -> str | None:
        record = self.record(run)
        return record.failure.kind if record is not None and record.failure is not None else None


@pytest.fixture
def trial_of(tmp_path: Path) -> Callable[..., Trial]:
    (tmp_path / ".ended").mkdir()

    def make(count: int, *, limit_s: float | None = END_S, **nodes: object) -> Trial:
        fake = FakeNodes(**nodes)  # type: ignore[arg-type]
        runs = {f"r{n}": RunPaths(tmp_path, f"r{n}").submission(1) for n in range(count)}
        for paths in runs.values():
            paths.folder.mkdir(parents=True)
        allocation = Allocation(job_id="77", limit_s=limit_s)
        later = threading.Event()
        driver = Driver(runs, fake, allocation, is_superseded=later.is_set, now=lambda: fake.now_s)
        return Trial(tmp_path, fake, runs, driver, later)

    return make


Make = Callable[..., Trial]


def test_every_run_is_run_once_in_order(trial_of: Make) -> None:
    trial = trial_of(5)
    assert trial.driver.run() == 0
    assert trial.nodes.started == ["r0", "r1", "r2", "r3", "r4"]
    assert all(trial.record(run) is None for run in trial.runs), "the keepers leave the records"


def test_a_run_that_is_not_needed_holds_nothing_up(trial_of: Make) -> None:
    trial = trial_of(3, codes={"r0": NOT_NEEDED})
    assert trial.driver.run() == 0
    assert trial.record("r0") is None


def test_the_runs_of_a_lost_node_run_on_another(trial_of: Make) -> None:
    trial = trial_of(4, fatal={"r1"}, lengths_s={"r1": 5})

    def forgive() -> None:
        if "node2" not in trial.nodes.alive:
            trial.nodes.fatal.clear()

    trial.nodes.on_wait = forgive
    assert trial.driver.run() == 0
    assert sorted(trial.nodes.started) == ["r0", "r1", "r1", "r2", "r3"]
    assert trial.record("r1") is None


def test_a_run_that_is_lost_again_and_again_is_given_up(trial_of: Make) -> None:
    trial = trial_of(3, codes={"r1": -9})
    assert trial.driver.run() == 0
    assert trial.nodes.started.count("r1") == STARTS
    assert trial.kind("r1") == "node_fail"
    record = trial.record("r1")
    assert record is not None
    assert record.host in ("node1", "node2")
    assert trial.nodes.started.count("r2") == 1


def test_a_run_whose_folder_cannot_be_written_is_said_to_be_so(trial_of: Make) -> None:
    trial = trial_of(2, codes={"r1": os.EX_IOERR})
    assert trial.driver.run() == 0
    assert trial.kind("r1") == "environment"


def test_without_nodes_what_is_left_is_said_not_to_have_begun(trial_of: Make) -> None:
    trial = trial_of(3, fatal={"r0", "r1"})
    assert trial.driver.run() == NO_NODES
    assert trial.kind("r2") == "not_started"


def test_nothing_begins_when_the_time_is_nearly_over(trial_of: Make) -> None:
    trial = trial_of(6, lengths_s={f"r{n}": END_S / 2 - 20 for n in range(6)})
    assert trial.driver.run() == 0
    assert trial.nodes.started == ["r0", "r1", "r2", "r3"]
    assert [trial.kind(f"r{n}") for n in range(6)] == [None] * 4 + ["not_started"] * 2
    assert trial.nodes.told == []
    assert trial.nodes.now_s < END_S


def test_runs_that_outlast_the_allocation_are_reported_and_then_ended(trial_of: Make) -> None:
    trial = trial_of(2, lengths_s={"r0": 2 * END_S, "r1": 5})
    stopped_at: list[float] = []

    def look() -> None:
        if trial.runs["r0"].stop.exists() and not stopped_at:
            stopped_at.append(trial.nodes.now_s)

    trial.nodes.on_wait = look
    assert trial.driver.run() == 0
    assert trial.nodes.told == ["time"]
    assert stopped_at[0] == pytest.approx(END_S - 60, abs=2)
    assert trial.nodes.now_s == pytest.approx(END_S - 30, abs=2)
    assert not trial.runs["r1"].stop.exists()


def test_a_short_allocation_spends_little_of_it_on_its_end(trial_of: Make) -> None:
    trial = trial_of(3, limit_s=60, lengths_s={f"r{n}": 20 for n in range(3)})
    assert trial.driver.run() == 0
    assert trial.nodes.started == ["r0", "r1", "r2"]


def test_an_allocation_without_limit_has_no_end(trial_of: Make) -> None:
    trial = trial_of(2, limit_s=None, lengths_s={"r0": 3000})
    assert trial.driver.run() == 0
    assert trial.nodes.told == []


def test_an_allocation_that_is_ended_starts_nothing_more(trial_of: Make) -> None:
    trial = trial_of(5)
    trial.nodes.on_wait = lambda: trial.driver.terminate() if trial.nodes.now_s > 2 else None
    assert trial.driver.run() == TERMINATED
    assert trial.nodes.started == ["r0", "r1"]
    assert trial.nodes.told == ["terminate"]
    # Why it ended is for the scheduler to say.
    assert trial.record("r4") is None


def test_the_end_of_an_allocation_does_not_wait_for_ever(trial_of: Make) -> None:
    trial = trial_of(2, lengths_s={"r0": 1e9, "r1": 1e9})
    trial.nodes.terminate = lambda: None  # type: ignore[method-assign]
    trial.nodes.on_wait = trial.driver.terminate
    assert trial.driver.run() == TERMINATED
    assert trial.nodes.now_s < 60


def test_a_run_that_left_its_own_record_keeps_it_when_its_node_is_lost_after(
    trial_of: Make,
) -> None:
    trial = trial_of(1, codes={"r0": -9})
    leave_exit_record(trial.runs["r0"], End(job_id="77", exit_code=1, scope="run"))
    assert trial.driver.run() == 0
    record = trial.record("r0")
    assert record is not None
    assert (record.exit_code, record.failure) == (1, None)


def test_when_the_job_has_begun_again_elsewhere_the_runs_are_left_to_that_start(
    trial_of: Make,
) -> None:
    trial = trial_of(5, limit_s=70, lengths_s={f"r{n}": 65 for n in range(5)})
    trial.nodes.on_wait = lambda: trial.later_start.set() if trial.nodes.now_s > 2 else None
    assert trial.driver.run() == TERMINATED
    assert trial.nodes.started == ["r0", "r1"]
    assert trial.nodes.told == ["terminate"]
    assert not any(paths.stop.exists() for paths in trial.runs.values())
    assert all(trial.record(run) is None for run in trial.runs)


def test_a_run_that_is_lost_at_last_is_not_given_up_when_a_later_start_has_it(
    trial_of: Make,
) -> None:
    trial = trial_of(1, codes={"r0": -9})
    starts = trial.nodes.started

    def look() -> None:
        if len(starts) == STARTS:
            trial.later_start.set()

    trial.nodes.on_wait = look
    trial.driver.run()
    assert trial.record("r0") is None
