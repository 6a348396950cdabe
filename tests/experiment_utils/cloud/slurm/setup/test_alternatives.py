"""The ways that are tried, which of them first, and how the search ends."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiment_utils.cloud.slurm.setup.site_facts import facts
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.answers import Start
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial
from tmgg.experiment_utils.cloud.slurm.setup.alternatives import Axis, alternatives
from tmgg.experiment_utils.cloud.slurm.setup.first_request import first_request
from tmgg.experiment_utils.cloud.slurm.setup.search import MOST_TRIALS, Found, search

TAKEN = Trial(start=Start(at=None))
Rule = tuple[Callable[[SlurmConfig], bool], str]

RULES: list[Rule] = [
    (lambda config: config.account == "b", "You need an account."),
    (lambda config: config.qos == "long", "Name a QOS."),
    (lambda config: config.gpu_request == "gres" and config.gpu_type == "a100", "gres wants types"),
    (lambda config: config.mem_per_cpu is None and config.mem_per_node is None, "no memory option"),
    (lambda config: config.exclusive, "Only whole nodes."),
    (lambda config: config.time_limit == "00:30:00", "The time limit is too long."),
    (lambda config: config.partition is None, "Do not name a partition."),
]


def axes(**settled: Any) -> list[Axis]:
    return alternatives(facts(), first_request(facts(), settled), settled)


def run(rules: list[Rule], **settled: Any) -> Found:
    first = {name: each.value for name, each in first_request(facts(), settled).items()}

    def attempt(config: SlurmConfig) -> Trial:
        broken = [words for holds, words in rules if not holds(config)]
        return Trial(refusal=broken[0]) if broken else TAKEN

    return search(SlurmConfig.from_mapping(first), axes(**settled), attempt)


def test_what_the_words_are_about_is_known() -> None:
    meant = {each.name for each in axes() if each.is_meant("Invalid account, or no GPU (gres)")}
    assert meant == {"account", "gpus"}


@given(st.permutations(RULES), st.integers(0, len(RULES)))
def test_any_rules_in_any_order_are_met(rules: list[Rule], count: int) -> None:
    found = run(rules[:count])
    assert found.trial.is_taken
    assert found.trials <= MOST_TRIALS
    assert all(words in dict(map(reversed, rules)) for words in found.changes.values())  # type: ignore[arg-type]


def test_two_things_that_one_rule_wants_together_are_tried_together() -> None:
    words = "A job has eight GPUs on each node: --gres=gpu:8."
    rule = (lambda config: (config.gpu_request, config.gpus_per_task) == ("gres", 8), words)
    found = run([rule])
    assert found.trial.is_taken
    assert found.trials <= 3


def test_what_is_settled_is_not_tried_in_another_way() -> None:
    assert not [each for each in axes(partition="gpu", account="a", exclusive=True)
                if each.name in ("partition", "whole nodes")]  # fmt: skip
    assert [dict(each.ways[0]) for each in axes(account="a") if each.name == "account"] == [
        {"account": "a"}
    ]


def test_a_rule_that_nothing_meets_ends_the_search() -> None:
    found = run([(lambda config: False, "Never.")])
    assert found.trial.refusal == "Never."
    assert found.trials <= MOST_TRIALS


@pytest.mark.parametrize("trial", [TAKEN, Trial(silence="no answer")])
def test_one_question_is_enough_where_it_is_taken_or_nobody_answers(trial: Trial) -> None:
    found = search(SlurmConfig(), axes(), lambda config: trial)
    assert (found.trials, found.changes) == (1, {})
