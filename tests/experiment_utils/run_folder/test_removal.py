"""An interrupted removal that goes on later does nothing to a new run of the same name."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder import removal
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.remains import EARLIER_FOLDER
from tmgg.experiment_utils.run_folder.removal import finish_removals, remove_run


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """Ended between the renaming of its folder and the rescue of its output."""
    run = RunPaths(tmp_path, "again")
    old = tmp_path / ".again.0123abcd.removed.tmp" / "output"
    old.mkdir(parents=True)
    (old / "last.ckpt").write_text("old")
    return run


def test_the_output_goes_back_where_no_run_has_the_name(run: RunPaths) -> None:
    finish_removals(run.output_dir)
    assert (run.artifacts / "last.ckpt").read_text() == "old"
    assert not run.run.exists()


@pytest.mark.parametrize("has_output", [True, False])
def test_the_output_goes_beside_a_new_run_of_that_name(run: RunPaths, has_output: bool) -> None:
    run.folder.mkdir()
    write_json(run.run, {})
    if has_output:
        run.artifacts.mkdir()
    finish_removals(run.output_dir)
    (kept,) = (run.output_dir / EARLIER_FOLDER).glob("again.*/output/last.ckpt")
    assert kept.read_text() == "old"
    assert not (run.artifacts / "last.ckpt").exists()
    assert not list(run.output_dir.glob(".again.*"))


@pytest.mark.parametrize("with_output", [True, False])
def test_a_removal_that_was_interrupted_goes_on_as_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_output: bool
) -> None:
    run = RunPaths(tmp_path, "again")
    run.artifacts.mkdir(parents=True)
    (run.artifacts / "last.ckpt").write_text("old")
    write_json(run.run, {})

    def interrupted(*_given: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(removal, "_empty", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove_run(run, with_output=with_output, may_go=lambda: True)
    assert not run.folder.exists()

    finish_removals(tmp_path)

    assert (run.artifacts / "last.ckpt").exists() != with_output
    assert not list(tmp_path.glob(".again.*"))
