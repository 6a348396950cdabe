"""docs/slurm-options.md is what SlurmConfig says."""

from tests.docs.slurm_options import PAGE, render_reference


def test_the_page_is_current() -> None:
    # Otherwise: python -m tests.docs.slurm_options
    assert PAGE.read_text() == render_reference()
