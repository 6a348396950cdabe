"""What is asked before a launch, and when it need not be asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from tmgg.experiment_utils.cloud.backend import Backend, SiteCritic
from tmgg.experiment_utils.cloud.sweep.foresight import Foresight


@dataclass
class Critic:
    """It notes for how many runs it was asked."""

    asked: list[int] = field(default_factory=list)

    def refuse_early(self, runs: int, mode: str, *, gpu_type: str | None) -> None:
        self.asked.append(runs)

    def usage(self, runs: int, mode: str) -> str:
        return ""

    def idle_nodes(self, imports: frozenset[str], mode: str) -> str:
        return ""


@pytest.fixture
def critic() -> Critic:
    return Critic()


@pytest.fixture
def ahead(critic: Critic) -> Foresight:
    assert isinstance(critic, SiteCritic)
    return Foresight(cast(Backend, critic), _none_exist)


def _none_exist(_run_ids: Sequence[str]) -> list[str]:
    return []


def look(ahead: Foresight, count: int) -> None:
    run_ids = [f"run-{number}" for number in range(count)]
    ahead.refuse_early(run_ids, "separate", gpu_type=None, resume=False)


def test_the_same_sweep_is_asked_about_once(ahead: Foresight, critic: Critic) -> None:
    look(ahead, 3)
    look(ahead, 3)
    assert critic.asked == [3]


def test_what_was_asked_of_several_is_not_asked_again(ahead: Foresight, critic: Critic) -> None:
    ahead.refuse_at_once("separate", gpu_type=None, has_several=True)
    look(ahead, 3)
    look(ahead, 1)
    assert critic.asked == [2]


def test_several_are_asked_about_where_only_one_was(ahead: Foresight, critic: Critic) -> None:
    ahead.refuse_at_once("separate", gpu_type=None, has_several=False)
    look(ahead, 1)
    assert critic.asked == [1]
    look(ahead, 2)
    assert critic.asked == [1, 2]
