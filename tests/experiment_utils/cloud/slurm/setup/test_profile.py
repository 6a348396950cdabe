"""The lines of the file: what is known, what is for the user to say, and why."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.experiment_utils.cloud.slurm.setup.site_facts import facts
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.answers import Start
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.setup.first_request import first_request
from tmgg.experiment_utils.cloud.slurm.setup.profile import Line, profile_lines
from tmgg.experiment_utils.cloud.slurm.setup.search import Found
from tmgg.hydra_plugins.profile_text import render_profile


def lines(site: Facts, changes: dict[str, str] | None = None, **config: Any) -> dict[str, Line]:
    first = first_request(site, {})
    asked = SlurmConfig.from_mapping({name: each.value for name, each in first.items()})
    found = Found(
        config=replace(asked, **config),
        trial=Trial(start=Start(at=None)),
        changes=changes or {},
        trials=1,
    )
    return {line.key: line for line in profile_lines(site, first, found)}


def test_what_slurm_said_is_the_reason_of_a_change() -> None:
    found = lines(facts(), {"account": "Name one."}, account="b")
    assert found["slurm_account"] == Line(
        key="slurm_account", value="b", reason="Before, Slurm said: Name one."
    )
    assert found["slurm_qos"].value == "long"
    assert not found["slurm_qos"].is_known


def test_the_limits_on_jobs_are_the_sweeps() -> None:
    found = lines(facts())["parallelism"]
    assert (found.value, found.is_known) == (50, True)
    assert "account a (MaxSubmit)" in found.reason
    assert "parallelism" not in lines(facts(), account="b")


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"has_accounts": False}, "slurm_account", "keeps no accounts"),
        ({"unanswered": {"accounts": "timed out"}}, "slurm_account", "timed out"),
        ({"clusters": ["big", "small"]}, "slurm_clusters", "the accounts know small, too"),
        ({"settings": {"TmpFS": "/x/%n"}}, "slurm_node_scratch", "cannot be used"),
        ({}, "slurm_network_interface", "Not known"),
    ],
)
def test_what_is_not_known_does_not_count(changes: dict[str, Any], key: str, words: str) -> None:
    found = lines(facts(**changes))[key]
    assert not found.is_known
    assert words in found.reason


@given(
    st.lists(
        st.tuples(
            st.one_of(st.text(max_size=30), st.integers(), st.booleans(), st.none()),
            st.text(max_size=200),
            st.booleans(),
        ),
        max_size=5,
    ),
    st.text(max_size=120),
)
def test_whatever_slurm_says_the_file_holds_the_lines_that_count(
    given_lines: list[tuple[Any, str, bool]], header: str
) -> None:
    found = [
        Line(key=f"k{number}", value=value, reason=reason, is_known=known)
        for number, (value, reason, known) in enumerate(given_lines)
    ]
    loaded = yaml.safe_load(render_profile(found, header=[header]))
    known = {line.key: line.value for line in found if line.is_known}
    assert loaded == {"defaults": ["tmgg_slurm", "_self_"], "use_slurm": True, **known}
