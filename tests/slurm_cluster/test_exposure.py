"""Which private folder is covered so that an exposed one can be read."""

from pathlib import Path

import pytest

from slurm_cluster import ClusterError
from slurm_cluster.exposure import Exposure, plan_exposure, plan_exposures

_PRIVATE = {Path("/root"), Path("/root/deep")}


def _is_open(folder: Path) -> bool:
    return folder not in _PRIVATE


def test_the_first_private_folder_is_covered() -> None:
    path = Path("/root/deep/project")
    assert plan_exposure(path, _is_open) == Exposure(path, Path("/root"))


def test_what_everybody_can_read_needs_nothing() -> None:
    assert plan_exposure(Path("/srv/project"), _is_open) is None


def test_machines_of_another_release_have_nothing_of_the_host_unless_it_is_bound() -> None:
    path = Path("/srv/project")
    assert plan_exposure(path, _is_open, is_there=False) == Exposure(path, None)


def test_what_the_root_of_another_release_keeps_private_is_covered(tmp_path: Path) -> None:
    project, root = tmp_path / "project", tmp_path / "root"
    project.mkdir()
    private = root / tmp_path.relative_to("/")
    private.mkdir(parents=True)
    private.chmod(0o700)
    (private / "project").mkdir()
    # The paths of tests are below /tmp, which machines have of their own; so judge by the root.
    (plan,) = plan_exposures([project], root)
    assert plan.path == project
    assert plan_exposures([Path("/usr")], root) == []


def test_a_machines_own_tmp_needs_the_folder_but_no_cover() -> None:
    path = Path("/tmp/project")
    assert plan_exposure(path, lambda _: False) == Exposure(path, None)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no such folder"):
        plan_exposures([tmp_path / "nowhere"])


def test_a_folder_that_is_private_itself_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ClusterError, match="chmod o"):
        plan_exposures([closed])
