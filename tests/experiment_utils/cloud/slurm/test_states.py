"""Every job state of Slurm has a meaning, and one that nobody knows ends no run."""

import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.cloud.slurm.states import STATES, meaning_of, parse_state

# "JOB STATE CODES" of squeue(1) in 22.05, "JOB STATE CODES" of sacct(1), and what 23.11 to 25.05
# added: https://slurm.schedmd.com/squeue.html and https://slurm.schedmd.com/job_state_codes.html
PENDING = {
    "CONFIGURING", "EXPEDITING", "PENDING", "POWER_UP_NODE", "REQUEUED", "REQUEUE_FED",
    "REQUEUE_HOLD", "RESV_DEL_HOLD", "REVOKED", "SPECIAL_EXIT",
}  # fmt: skip
RUNNING = {
    "COMPLETING", "RESIZING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED",
    "UPDATE_DB",
}  # fmt: skip
ENDED = {
    "BOOT_FAIL": "node_fail",
    "CANCELLED": "cancelled",
    "COMPLETED": None,
    "DEADLINE": "timeout",
    "FAILED": None,
    "LAUNCH_FAILED": "node_fail",
    "NODE_FAIL": "node_fail",
    "OUT_OF_MEMORY": "out_of_memory",
    "PREEMPTED": "preempted",
    "RECONFIG_FAIL": "node_fail",
    "TIMEOUT": "timeout",
}


def test_the_table_holds_the_manuals_states_and_no_other() -> None:
    assert set(STATES) == PENDING | RUNNING | set(ENDED)


@pytest.mark.parametrize("state", sorted(PENDING))
def test_a_job_in_this_state_is_still_to_come(state: str) -> None:
    assert (meaning_of(state).phase, meaning_of(state).kind) == ("pending", None)


@pytest.mark.parametrize("state", sorted(RUNNING))
def test_a_job_in_this_state_is_under_way(state: str) -> None:
    assert (meaning_of(state).phase, meaning_of(state).kind) == ("running", None)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_job_in_this_state_is_over(state: str) -> None:
    assert (meaning_of(state).phase, meaning_of(state).kind) == ("ended", ENDED[state])


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED by 0", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("COMPLETED ", "COMPLETED"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        ("NODE_FAIL+", "NODE_FAIL"),
        ("REQUEUE_H+", "REQUEUE_HOLD"),
        ("running", "RUNNING"),
        ("COMPLET+", "COMPLET"),
        ("", ""),
        ("???", ""),
        ("SPECIAL_EXIT2", "SPECIAL_EXIT2"),
        # Only Slurm's own mark says that a word was cut.
        ("F", "F"),
        ("OUT_OF_ME", "OUT_OF_ME"),
    ],
)
def test_states_with_additions_and_shortened_ones(text: str, state: str) -> None:
    assert parse_state(text) == state


@pytest.mark.parametrize("state", ["COMPLET+", "RE+", "BORED", "F", "???", ""])
def test_an_unknown_or_ambiguous_state_ends_no_run_and_is_warned_of_once(
    state: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmgg.experiment_utils.cloud.slurm.states._told", set())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert meaning_of(state).phase == "running"
    (record,) = caplog.records
    assert repr(state) in record.getMessage()
    assert "does not know" in record.getMessage()


@given(st.text() | st.text(string.ascii_uppercase + "_+ "))
def test_any_text_has_a_meaning_and_only_known_words_end_a_run(text: str) -> None:
    if meaning_of(text).phase == "ended":
        word = parse_state(text)
        assert word in ENDED
        assert word in text.upper() or text.strip().partition("+")[0].upper() in word
