"""Whose files count: of oneself, of the chosen team, of nobody else. With real users, as root."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import ForeignFileError
from tmgg.experiment_utils.files import trust
from tmgg.experiment_utils.files.accounts import user_name
from tmgg.experiment_utils.files.trust import read_json

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users")
ALICE, BOB, TEAM = 5001, 5002, 5900
MEMBERS = f"{ALICE} {BOB} %{TEAM}"
SOURCE = Path(trust.__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def others_can_run_python() -> None:
    """A checkout below /root, for one, is closed to them."""
    try:
        answer = as_user(ALICE, "import tmgg; print(0)")
    except PermissionError as error:
        answer = str(error)
    if answer != 0:
        pytest.skip(f"other users cannot run this project's Python: {answer}")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder below sticky /tmp, root's, open to all to look in."""
    with tempfile.TemporaryDirectory(prefix="trust-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def folder_of(path: Path, user: int, *, mode: int = 0o755, group: int | None = None) -> Path:
    path.mkdir()
    os.chown(path, user, user if group is None else group)
    path.chmod(mode)
    return path


def file_of(
    path: Path, user: int, content: bytes = b'{"x": 1}', *, mode: int = 0o644, group: int = -1
) -> Path:
    path.write_bytes(content)
    os.chown(path, user, user if group == -1 else group)
    path.chmod(mode)
    return path


def as_user(
    user: int, code: str, *arguments: object, groups: Sequence[int] = (), team: str = ""
) -> Any:
    """What the code prints as JSON on its last line, run by that user; else its error's text."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        user=user, group=user, extra_groups=[*groups], cwd="/", capture_output=True, text=True,
        timeout=60, check=False, umask=0o002,
        env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"], "TMGG_TEAM": team,
             "TMGG_HOME": "/nonexistent", "USER": str(user), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else done.stderr


READ = """
import json, sys
from pathlib import Path
from tmgg.errors import TmggError
from tmgg.experiment_utils.files.trust import read_json
try:
    print(json.dumps(read_json(Path(sys.argv[1]))))
except TmggError as error:
    print(json.dumps(f"{type(error).__name__}: {error}"))
"""
LOAD = """
import json, sys
from pathlib import Path
from tmgg.hydra_plugins import job_returns
try:
    print(json.dumps(str(job_returns.load(Path(sys.argv[1]), attempt=1))))
except Exception as error:
    print(json.dumps(f"{type(error).__name__}: {error}"))
"""
PREPARE = """
import json, sys
from pathlib import Path
from tmgg.errors import TmggError
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
try:
    prepare_output_dir(Path(sys.argv[1]))
    print(json.dumps("ready"))
except TmggError as error:
    print(json.dumps(str(error)))
"""


def test_a_record_of_another_user_is_not_read_and_the_message_says_whose_it_is(
    shared: Path,
) -> None:
    own = folder_of(shared / "run", ALICE)
    planted = file_of(own / "run.json", BOB)
    told = as_user(ALICE, READ, planted)
    assert told.startswith("ForeignFileError")
    assert f"{user_name(BOB)}" in told
    assert "TMGG_TEAM" in told


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "counts"),
    [
        (0o700, 0o600, True),
        (0o755, 0o644, True),
        (0o700, 0o666, True),  # nobody else gets there
        (0o755, 0o666, False),
        (0o777, 0o644, False),
        (0o1777, 0o644, True),  # sticky: nobody can replace it
    ],
)
def test_an_own_file_counts_as_long_as_nobody_else_can_change_it(
    shared: Path, folder_mode: int, file_mode: int, counts: bool
) -> None:
    folder = folder_of(shared / "run", ALICE, mode=folder_mode)
    file = file_of(folder / "verdict.json", ALICE, mode=file_mode)
    assert (as_user(ALICE, READ, file) == {"x": 1}) is counts


def test_a_group_of_oneself_alone_is_oneself(shared: Path) -> None:
    """Debian's user-private groups, with umask 002."""
    folder = folder_of(shared / "run", ALICE, mode=0o775)
    assert as_user(ALICE, READ, file_of(folder / "a", ALICE, mode=0o664)) == {"x": 1}
    assert as_user(ALICE, PREPARE, folder / "out") == "ready"


def test_another_group_is_not(shared: Path) -> None:
    folder = folder_of(shared / "run", ALICE, mode=0o775, group=TEAM)
    told = as_user(ALICE, READ, file_of(folder / "a", ALICE), groups=[TEAM])
    assert "can write there" in told


def test_a_chosen_team_is_trusted_with_records_but_not_with_pickles(shared: Path) -> None:
    folder = folder_of(shared / "run", BOB)
    record = file_of(folder / "run.json", BOB)
    assert as_user(ALICE, READ, record, team=str(BOB)) == {"x": 1}
    file_of(folder / "job_return.1.pkl", BOB, pickle.dumps(Planted()))
    told = as_user(ALICE, LOAD, folder, team=str(BOB))
    assert told.startswith("UnusableReturnError")
    assert "belongs to" in told
    assert not MARK.exists()


def test_a_huge_file_of_the_team_keeps_nobody_busy(shared: Path) -> None:
    record = file_of(folder_of(shared / "run", BOB) / "run.json", BOB)
    os.truncate(record, 3 << 30)
    told = as_user(ALICE, READ, record, team=str(BOB))
    assert told.startswith("ForeignFileError")
    assert "has 3221225472 bytes, more than" in told


MARK = Path("/tmp/tmgg-planted-pickle-ran")


class Planted:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(MARK),)


def test_root_reads_no_records_of_others(shared: Path) -> None:
    record = file_of(folder_of(shared / "run", ALICE) / "run.json", ALICE)
    with pytest.raises(ForeignFileError, match="belongs to"):
        read_json(record)


def test_what_root_wrote_counts_for_all(shared: Path) -> None:
    folder = folder_of(shared / "run", ALICE)
    assert as_user(ALICE, READ, file_of(folder / "result.json", 0)) == {"x": 1}


def test_a_link_and_a_pipe_are_not_read(shared: Path) -> None:
    folder = folder_of(shared / "run", ALICE)
    (folder / "link").symlink_to(file_of(folder / "real", ALICE))
    os.mkfifo(folder / "pipe")
    os.chown(folder / "pipe", ALICE, ALICE)
    assert "symbolic link" in as_user(ALICE, READ, folder / "link")
    assert "is no file" in as_user(ALICE, READ, folder / "pipe")


def test_a_planted_file_that_cannot_be_opened_is_foreign_not_a_hiccup(shared: Path) -> None:
    folder = folder_of(shared / "run", ALICE, mode=0o1777)
    told = as_user(ALICE, READ, file_of(folder / "a", BOB, mode=0o600))
    assert told.startswith("ForeignFileError")


@pytest.mark.parametrize(
    ("mode", "owner", "words"),
    [
        (0o777, ALICE, "everybody can write there"),
        (0o775, ALICE, "can write there"),
        (0o755, BOB, "belongs to"),
    ],
)
@pytest.mark.parametrize("below", ["", "below"])
def test_an_output_folder_that_strangers_can_replace_is_refused_with_the_way_out(
    shared: Path, mode: int, owner: int, words: str, below: str
) -> None:
    folder = folder_of(shared / "out", owner, mode=mode, group=TEAM)
    target = folder_of(folder / below, ALICE) if below else folder
    told = as_user(ALICE, PREPARE, target, groups=[TEAM])
    assert words in told
    assert "Nothing was submitted" in told
    assert "TMGG_TEAM" in told
    assert not (target / ".ended").exists()


def test_a_link_leads_to_no_unsafe_folder(shared: Path) -> None:
    folder_of(shared / "open", ALICE, mode=0o777)
    home = folder_of(shared / "home", ALICE)
    (home / "out").symlink_to(shared / "open")
    assert "everybody can write there" in as_user(ALICE, PREPARE, home / "out")


def test_a_team_keeps_its_runs_in_one_folder_each_member_her_own(shared: Path) -> None:
    folder = folder_of(shared / "team", ALICE, mode=0o3770, group=TEAM)
    for user in (ALICE, BOB):
        assert as_user(user, PREPARE, folder, groups=[TEAM], team=MEMBERS) == "ready"
    for name in (".ended", ".batches", ".sweeps"):
        status = (folder / name).stat()
        assert (status.st_mode & 0o7777, status.st_gid) == (0o3770, TEAM)


def test_a_folder_of_an_earlier_version_is_opened_by_its_owner_or_refused_to_others(
    shared: Path,
) -> None:
    folder = folder_of(shared / "team", ALICE, mode=0o3770, group=TEAM)
    folder_of(folder / ".ended", ALICE, mode=0o700)
    told = as_user(BOB, PREPARE, folder, groups=[TEAM], team=MEMBERS)
    assert "Nothing was submitted" in told
    assert f"chmod 3770 {folder}/.ended" in told
    assert as_user(ALICE, PREPARE, folder, groups=[TEAM], team=MEMBERS) == "ready"
    assert as_user(BOB, PREPARE, folder, groups=[TEAM], team=MEMBERS) == "ready"


def test_the_folder_of_another_is_refused_as_long_as_she_is_not_trusted(shared: Path) -> None:
    folder = folder_of(shared / "team", ALICE, mode=0o3770, group=TEAM)
    told = as_user(BOB, PREPARE, folder, groups=[TEAM])
    assert "belongs to" in told
    assert "TMGG_TEAM" in told


def test_each_member_of_a_team_runs_and_collects_in_its_folder(shared: Path) -> None:
    folder = folder_of(shared / "team", ALICE, mode=0o3770, group=TEAM)
    code = """
import json, math, sys
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
runner = LocalRunner(LocalConfig(output_dir=sys.argv[1]))
result = runner.run_experiment({"experiment": {"_target_": "math:sqrt"}})
print(json.dumps([result.status, result.failure.kind if result.failure else None]))
"""
    # math.sqrt of a config raises: what counts is that the end is told.
    for user in (ALICE, BOB):
        assert as_user(user, code, folder, groups=[TEAM], team=MEMBERS) == ["failed", "user_error"]


TEAM_RUN = """
import json, os, sys
os.environ["TMGG_RECORDS"] = "team"
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.errors import TmggError
runner = LocalRunner(LocalConfig(output_dir=sys.argv[1]))

def words(action):
    try:
        return action("r")
    except TmggError as error:
        return str(error)
"""
LAUNCH = """
runner.spawn_experiment({"experiment": {"_target_": "math:sqrt"}}, run_id="r")
print(json.dumps(runner.get_result("r").status))
os.remove(sys.argv[1] + "/r/1/verdict.json")
"""
LOOK = """
import io, logging
logged = io.StringIO()
logging.basicConfig(stream=logged)
status = runner.poll(["r"])[0].status
print(json.dumps([status, logged.getvalue(), words(runner.retry), words(runner.collect)]))
"""


def test_a_member_looks_at_the_run_of_another_and_is_told_what_is_hers_alone(
    shared: Path,
) -> None:
    folder = folder_of(shared / "team", ALICE, mode=0o3770, group=TEAM)
    launched = as_user(ALICE, TEAM_RUN + LAUNCH, folder, groups=[TEAM], team=MEMBERS)
    assert launched == "failed"
    status, logged, retry, collect = as_user(
        BOB, TEAM_RUN + LOOK, folder, groups=[TEAM], team=MEMBERS
    )
    assert (status, logged) == ("failed", "")
    assert f"is uid {ALICE}'s, and only uid {ALICE} can submit it again" in retry
    assert f"only uid {ALICE} can collect it" in collect


def test_an_output_folder_whose_records_another_keeps_closed_is_refused_with_the_recipe(
    shared: Path,
) -> None:
    folder = folder_of(shared / "runs", ALICE, mode=0o775, group=TEAM)
    folder_of(folder / ".sweeps", ALICE, mode=0o700)
    code = """
import json, sys
from pathlib import Path
from tmgg.errors import TmggError
from tmgg.experiment_utils.run_folder.readable import reading
try:
    with reading(Path(sys.argv[1])):
        list(Path(sys.argv[1], ".sweeps").iterdir())
except TmggError as error:
    print(json.dumps(str(error)))
"""
    told = as_user(BOB, code, folder, groups=[TEAM], team=MEMBERS)
    assert f"{folder}/.sweeps belongs to uid {ALICE} and is closed to you" in told
    assert "docs/security.md" in told


def test_only_what_the_caller_can_do_is_offered(shared: Path) -> None:
    own = folder_of(shared / "own", ALICE, mode=0o777)
    assert f"chmod go-w {own}" in as_user(ALICE, PREPARE, own)
    others = folder_of(shared / "others", BOB, mode=0o777)
    told = as_user(ALICE, PREPARE, others)
    assert "chmod" not in told
    assert f"only uid {BOB} can change who may write in {others}" in told


def test_a_name_in_the_team_that_nobody_has_is_an_error(shared: Path) -> None:
    record = file_of(folder_of(shared / "run", ALICE) / "run.json", ALICE)
    assert "nobody-here" in as_user(ALICE, READ, record, team="nobody-here")


def test_a_thousand_runs_cost_a_look_at_each_folder_only_once(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(folder_of(shared / "run", 0) / "run.json", 0)
    read_json(file)
    monkeypatch.setattr(os, "stat", lambda _path: pytest.fail("looked again"))
    for _ in range(1000):
        read_json(file)
