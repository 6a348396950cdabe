"""A hint speaks of the options that the run's own backend has."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tmgg.experiment_utils.cloud.local.hints import LOCAL_HINTS
from tmgg.experiment_utils.cloud.modal.hints import MODAL_HINTS
from tmgg.experiment_utils.cloud.ray.hints import RAY_HINTS
from tmgg.experiment_utils.cloud.slurm.hints import SLURM_HINTS
from tmgg.experiment_utils.run_folder.failures import (
    FAILURE_KINDS,
    HINTS,
    Failure,
    HintName,
    failure,
    in_words_of,
)

Hints = dict[HintName, str]
BACKENDS: dict[str, Hints] = {
    "slurm": SLURM_HINTS,
    "local": LOCAL_HINTS,
    "ray": RAY_HINTS,
    "modal": MODAL_HINTS,
}
each_backend = pytest.mark.parametrize("own", BACKENDS.values(), ids=list(BACKENDS))


def test_there_is_a_hint_for_every_kind() -> None:
    assert set(FAILURE_KINDS) <= set(HINTS)


def test_no_hint_begins_as_another_does() -> None:
    texts = sorted(HINTS.values())

    assert not [one for one, next_one in pairwise(texts) if next_one.startswith(one)]


@each_backend
def test_only_hints_that_there_are_can_be_said_in_other_words(own: Hints) -> None:
    assert set(own) <= set(HINTS)
    assert not [name for name, words in own.items() if words == HINTS[name]]


@pytest.mark.parametrize("backend", ["none", "local", "ray", "modal"])
def test_no_backend_but_slurm_speaks_of_slurms_options(backend: str) -> None:
    told = HINTS | BACKENDS.get(backend, {})

    assert not [words for words in told.values() if "slurm_" in words or "sacct" in words]


@each_backend
def test_a_failure_has_the_words_of_its_backend(own: Hints) -> None:
    for name in HINTS:
        found = in_words_of(failure("environment", "It broke.", hint=name), own)
        assert found == Failure(kind="environment", message="It broke.", hint=(HINTS | own)[name])


def test_what_is_added_to_a_hint_stays() -> None:
    why = failure("timeout", "It was late.")
    longer = replace(why, hint=f"{why.hint} And so on.")

    assert in_words_of(longer, SLURM_HINTS).hint == f"{SLURM_HINTS['timeout']} And so on."


def test_a_hint_of_an_older_record_stays_as_it_is() -> None:
    old = Failure.from_json({"kind": "timeout", "message": "It was late.", "hint": "Hurry."})

    assert in_words_of(old, SLURM_HINTS).hint == "Hurry."


@each_backend
def test_hints_claim_nothing_that_is_not_known(own: Hints) -> None:
    told = HINTS | own

    assert "mostly" not in told["killed"]
    assert "does not know" in told["killed"] or "does not say" in told["killed"]
    assert "so may the experiment" in told["killed"]
    # Nobody need have been asked: the launcher ended, or there is no sbatch.
    assert "did not take" not in told["submission"]
    assert "could not be started" not in told["submission"]
    assert "traceback" not in told["user_error"]
    assert "In a Hydra app, hydra/launcher=basic" in told["user_error"]
