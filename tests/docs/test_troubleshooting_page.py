"""docs/troubleshooting.md has every kind of failure with its hint, every reason, every check."""

import pytest

from tests.docs.troubleshooting_tables import PAGE, with_tables
from tmgg.experiment_utils.cloud.slurm.hints import SLURM_HINTS
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import ok
from tmgg.experiment_utils.run_folder.failures import FAILURE_KINDS, HINTS, FailureKind

TEXT = PAGE.read_text()


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_has_its_section_with_its_hint(kind: FailureKind) -> None:
    section = TEXT.partition(f"### `{kind}`\n")[2].partition("\n### ")[0]

    assert (HINTS | SLURM_HINTS)[kind] in _quoted(section)


@pytest.mark.parametrize("name", sorted(set(HINTS) - set(FAILURE_KINDS)))
def test_every_closer_hint_is_on_the_page(name: str) -> None:
    assert {**HINTS, **SLURM_HINTS}[name] in _quoted(TEXT)  # type: ignore[index]


def test_the_tables_of_the_programs_own_words_are_up_to_date() -> None:
    # Otherwise: python -m tests.docs.troubleshooting_tables
    assert with_tables(TEXT) == TEXT


def test_the_doctor_looks_at_nothing_that_the_page_does_not_name() -> None:
    assert ok("partition gpu", "it is up").check == "partition gpu"
    with pytest.raises(AssertionError):
        ok("the weather", "it is fine")


def test_the_rows_of_the_specs_troubleshooting_are_there() -> None:
    for symptom in ("pending", "Ray did not come up", "CUDA was not found", "conda activate"):
        assert symptom in TEXT
    for symptom in ("slurm_mem_per_cpu", "slurm_time_limit", "TMGG_RESULT:"):
        assert symptom in TEXT


def _quoted(text: str) -> str:
    """The text with its block quotes on one line."""
    return " ".join(line.removeprefix("> ").strip() for line in text.splitlines())
