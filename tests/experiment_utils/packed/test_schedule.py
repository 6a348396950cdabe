"""Which run starts where next."""

from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.packed.schedule import STARTS, Assignment, Schedule


def start_all(schedule: Schedule) -> list[Assignment]:
    started = []
    while (assignment := schedule.next()) is not None:
        started.append(assignment)
    return started


def where(assignments: list[Assignment]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in assignments:
        found.setdefault(each.place.node, []).append(each.run)
    return found


def test_no_node_is_idle_while_another_has_two() -> None:
    schedule = Schedule(["a", "b", "c"])
    schedule.add_node("node1", runs_at_once=4)
    schedule.add_node("node2", runs_at_once=4)
    schedule.add_node("node3", runs_at_once=4)
    assert where(start_all(schedule)) == {"node1": ["a"], "node2": ["b"], "node3": ["c"]}


def test_a_node_takes_as_many_as_it_can_and_a_freed_place_the_next() -> None:
    schedule = Schedule(["a", "b", "c"])
    schedule.add_node("node1", runs_at_once=2)
    first = start_all(schedule)
    assert [each.run for each in first] == ["a", "b"]
    assert len({each.place for each in first}) == 2
    schedule.ended("a")
    assert schedule.next() == Assignment("c", first[0].place)


def test_a_lost_run_starts_again_before_the_others_but_not_for_ever() -> None:
    schedule = Schedule(["a", "b"])
    schedule.add_node("node1", runs_at_once=1)
    for start in range(STARTS):
        assert [each.run for each in start_all(schedule)] == ["a"]
        assert schedule.lost("a") == (start + 1 < STARTS)
    assert [each.run for each in start_all(schedule)] == ["b"]


def test_a_lost_node_gets_nothing_more() -> None:
    schedule = Schedule(["a", "b", "c"])
    schedule.add_node("node1", runs_at_once=1)
    schedule.add_node("node2", runs_at_once=1)
    start_all(schedule)
    schedule.remove_node("node1")
    schedule.lost("a")
    assert schedule.next() is None
    schedule.ended("b")
    assert [(each.run, each.place.node) for each in start_all(schedule)] == [("a", "node2")]


def test_what_is_dropped_does_not_begin() -> None:
    schedule = Schedule(["a", "b"])
    schedule.add_node("node1", runs_at_once=1)
    start_all(schedule)
    assert schedule.drop_waiting() == ["b"]
    schedule.ended("a")
    assert schedule.is_done


@given(st.integers(0, 30), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_every_run_starts_once_and_never_too_many_at_a_time(
    runs: int, sizes: list[int], data: st.DataObject
) -> None:
    schedule = Schedule([str(number) for number in range(runs)])
    for number, size in enumerate(sizes):
        schedule.add_node(f"node{number}", runs_at_once=size)
    started: list[str] = []
    while not schedule.is_done:
        started += [each.run for each in start_all(schedule)]
        assert len(schedule.running) == min(
            sum(sizes), len(schedule.running) + len(schedule.waiting)
        )
        schedule.ended(data.draw(st.sampled_from(list(schedule.running))))
    assert sorted(started, key=int) == [str(number) for number in range(runs)]
