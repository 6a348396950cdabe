"""Steps' graphs are drawn some at once and ahead, and are those that each step alone would draw."""

import dataclasses
import threading
from collections.abc import Sequence

import pytest
import torch

from tmgg.training.config import Settings, parse_settings
from tmgg.training.data import GraphSource, NoisyGraphs, Shard
from tmgg.training.draw_ahead import DrawAhead

CPU = torch.device("cpu")
PLAIN = {"data": {"n": 8}, "model": {"k": 2}, "trainer": {"batch_size": 6}}
MIXED = {
    "data": {"name": "mixed", "n": 8, "members": [{}, {"size": 1.5}, {"p_in": 0.5}]},
    "noise": {"name": "flip_range", "low": 0.02, "high": 0.2},
    "model": {"k": 2},
    "trainer": {"batch_size": 6},
}
PAIR = {
    "data": {"n": 8, "protocol": "fixed_pair"},
    "model": {"k": 2},
    "trainer": {"batch_size": 1, "steps": 20},
}


def tensors(batch: NoisyGraphs) -> list[torch.Tensor]:
    assert batch.eigen is not None
    found = [batch.noisy_BNN, batch.adj_BNN, batch.edge_probability_BNN, *batch.eigen]
    return found if batch.rate_B is None else [*found, batch.rate_B]


@pytest.mark.parametrize("config", [PLAIN, MIXED, PAIR], ids=["plain", "mixed", "pair"])
@pytest.mark.parametrize("shard", [Shard(), Shard(rank=1, world_size=3)])
def test_steps_drawn_together_have_the_graphs_of_each_alone(
    config: dict[str, object], shard: Shard
) -> None:
    settings = parse_settings(config)
    if settings.data.protocol == "fixed_pair":
        shard = Shard()
    source = GraphSource(settings, eigenpairs=True)
    together = source.training_batches(range(4, 11), shard=shard, device=CPU)
    assert len(together) == 7
    for step, batch in zip(range(4, 11), together, strict=True):
        alone = source.training_batch(step, shard=shard, device=CPU)
        assert batch.density == alone.density
        for one, other in zip(tensors(batch), tensors(alone), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({}, 4),
        ({"trainer": {"batch_size": 512}}, 1),
        ({"data": {"n": 100}}, 1),
        ({**PAIR, "trainer": {"batch_size": 1, "steps": 20}}, 20),
    ],
)
def test_small_steps_are_drawn_together_and_large_ones_one_by_one(
    config: dict[str, object], steps: int
) -> None:
    assert GraphSource(parse_settings(config)).steps_at_once() == steps


def test_a_mixture_draws_several_steps_of_each_member() -> None:
    settings: Settings = parse_settings(MIXED)
    trainer = dataclasses.replace(settings.trainer, batch_size=64)
    source = GraphSource(dataclasses.replace(settings, trainer=trainer))
    assert source.steps_at_once() % 3 == 0


class Made:
    """What was made, and by which thread."""

    def __init__(self) -> None:
        self.calls: list[range] = []
        self.threads: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, steps: range) -> Sequence[int]:
        with self.lock:
            self.calls.append(steps)
            self.threads.append(threading.current_thread().name)
        return [10 * step for step in steps]


def test_which_steps_are_drawn_together_does_not_depend_on_where_one_begins() -> None:
    whole, resumed = Made(), Made()
    ahead = DrawAhead[int](4)
    assert [ahead.draw(whole, step, steps=10, ahead=False) for step in range(10)] == list(
        range(0, 100, 10)
    )
    assert whole.calls == [range(4), range(4, 8), range(8, 10)]
    later = DrawAhead[int](4)
    assert [later.draw(resumed, step, steps=10, ahead=False) for step in (6, 7, 8)] == [60, 70, 80]
    assert resumed.calls == whole.calls[1:]


def test_the_next_steps_are_drawn_in_another_thread_where_there_is_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1})
    made, ahead = Made(), DrawAhead[int](2)
    drawn = [ahead.draw(made, step, steps=5, ahead=True) for step in range(5)]
    ahead.close()
    assert drawn == [0, 10, 20, 30, 40]
    assert sorted(made.calls, key=lambda steps: steps.start) == [
        range(2), range(2, 4), range(4, 5),
    ]  # fmt: skip
    here = threading.current_thread().name
    by = dict(zip(made.calls, made.threads, strict=True))
    assert [steps for steps, thread in by.items() if thread == here] == [range(2)]


def test_one_core_draws_where_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0})
    made, ahead = Made(), DrawAhead[int](2)
    assert [ahead.draw(made, step, steps=4, ahead=True) for step in range(4)] == [0, 10, 20, 30]
    assert set(made.threads) == {threading.current_thread().name}


def test_what_was_drawn_ahead_for_another_step_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1})
    made, ahead = Made(), DrawAhead[int](2)
    assert ahead.draw(made, 0, steps=20, ahead=True) == 0
    assert ahead.draw(made, 9, steps=20, ahead=True) == 90
    ahead.close()
