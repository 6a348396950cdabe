"""Durable records: all of a run or nothing, found from anywhere, closed to others."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from tmgg.errors import RecordError, RemovedRunError, RunExistsError, UnknownRunError
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.process_names import process_name, process_start
from tmgg.experiment_utils.run_folder.known_folders import (
    home_folder,
    known_folders,
    remember_folder,
)
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import (
    Intent,
    RunRecord,
    add_submission,
    create_run,
    find_run,
    launcher_is_over,
    load_intent,
    load_run,
    load_task,
    new_intent,
    save_job,
    withdraw_submission,
)
from tmgg.experiment_utils.run_folder.removal import remove_run
from tmgg.experiment_utils.run_folder.run_folders import runs_in
from tmgg.experiment_utils.run_folder.task import TaskInput


def write_nothing(_draft: SubmissionPaths, _final: SubmissionPaths) -> None:
    return


def create(folder: Path, run_id: str = "run", payload: bytes | None = None) -> SubmissionPaths:
    record = RunRecord(run_id=run_id, backend="local", base_dir=str(folder), settings={"a": 1})
    task = TaskInput(run_id=run_id, target="lab:run", config={"x": 1})
    return create_run(RunPaths(folder, run_id), record, task, payload, write_nothing)


def test_a_new_run_is_whole(folder: Path) -> None:
    paths = create(folder, payload=b"pay").run_paths
    record = load_run(paths)
    assert (record.run_id, record.backend, record.settings) == ("run", "local", {"a": 1})
    assert record.user
    assert record.host
    assert load_task(paths).config == {"x": 1}
    assert paths.payload.read_bytes() == b"pay"
    assert paths.submission_numbers() == [1]
    assert stat.S_IMODE(paths.folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"run", ".ended"}


def test_a_submission_is_written_beside_and_read_in_its_place(folder: Path) -> None:
    seen: list[tuple[Path, Path]] = []

    def write(draft: SubmissionPaths, final: SubmissionPaths) -> None:
        seen.append((draft.folder, final.folder))
        draft.script.write_text(str(final.folder))

    paths = RunPaths(folder, "run")
    record = RunRecord(run_id="run", backend="local", base_dir="/", settings={})
    task = TaskInput(run_id="run", target="lab:run", config={})
    first = create_run(paths, record, task, None, write)
    second = add_submission(first, write)
    with pytest.raises(RunExistsError, match="submission 2 of 'run'"):
        add_submission(first, lambda draft, _final: draft.intent.touch())
    for submission, (draft, final) in zip((first, second), seen, strict=True):
        assert submission.script.read_text() == str(final)
        assert submission.folder == final
        assert draft != final
        assert not draft.exists()
    assert paths.submission_numbers() == [1, 2]


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt(), ValueError("bad")])
def test_whatever_goes_wrong_while_it_is_written_leaves_no_run(
    folder: Path, error: BaseException
) -> None:
    def fail(_draft: SubmissionPaths, _final: SubmissionPaths) -> None:
        raise error

    paths = RunPaths(folder, "run")
    record = RunRecord(run_id="run", backend="local", base_dir="/", settings={})
    task = TaskInput(run_id="run", target="lab:run", config={})
    with pytest.raises(type(error)):
        create_run(paths, record, task, None, fail)
    assert [path.name for path in folder.iterdir()] == [".ended"]
    create(folder)
    with pytest.raises(type(error)):
        add_submission(paths.submission(1), fail)
    assert paths.submission_numbers() == [1]
    assert not list(paths.folder.glob(".*"))


def test_of_many_that_make_one_run_exactly_one_wins(folder: Path) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def race() -> None:
        start.wait()
        try:
            create(folder)
            outcomes.append("won")
        except RunExistsError:
            outcomes.append("lost")

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]
    assert {path.name for path in folder.iterdir()} == {"run", ".ended"}


def test_a_run_is_found_where_runs_were_ever_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(folder)
    monkeypatch.chdir(tmp_path)
    assert find_run("run") == RunPaths(folder, "run")
    assert find_run("run", [tmp_path]) == RunPaths(folder, "run")


def test_a_run_that_is_nowhere_is_unknown_with_the_places_looked_at(folder: Path) -> None:
    create(folder)
    with pytest.raises(UnknownRunError) as caught:
        find_run("nobody", [folder / "other"])
    message = str(caught.value)
    assert "no run 'nobody'" in message
    assert str(folder) in message
    assert str(folder / "other") in message
    assert "set output_dir" in message


def test_folders_are_remembered_once_and_the_newest_is_looked_at_first(tmp_path: Path) -> None:
    for name in "abab":
        remember_folder(tmp_path / name)
    assert known_folders() == [tmp_path / "b", tmp_path / "a"]


def test_a_damaged_list_of_folders_costs_nothing_but_itself(tmp_path: Path) -> None:
    home = home_folder()
    home.mkdir()
    (home / "folders").write_bytes(b"relative\n\n/a\n\0\n")
    assert known_folders() == [Path("/a")]
    (home / "folders").write_bytes(b"\xff\xfe")
    assert known_folders() == []


def test_a_home_that_cannot_be_written_costs_only_the_convenience(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("TMGG_HOME", str(folder / "file" / "home"))
    create(folder)
    assert known_folders() == []
    assert find_run("run", [folder]) == RunPaths(folder, "run")


def test_the_runs_in_a_folder(folder: Path) -> None:
    for name in ("b", "a", "c-1"):
        create(folder, name)
    (folder / "no-run").mkdir()
    (folder / "file").touch()
    assert [paths.run_id for paths in runs_in(folder)] == ["a", "b", "c-1"]
    assert [paths.run_id for paths in runs_in(folder, prefix="c")] == ["c-1"]
    assert runs_in(folder / "nowhere") == []


def test_a_removed_run_leaves_what_the_experiment_wrote_unless_asked(folder: Path) -> None:
    for with_output, left in ((False, {".ended", "run"}), (True, {".ended"})):
        submission = create(folder)
        paths = submission.run_paths
        paths.artifacts.mkdir()
        (paths.artifacts / "model.bin").touch()
        paths.stdout.touch()
        submission.ended.touch()
        remove_run(paths, with_output=with_output, may_go=lambda: True)
        assert {path.name for path in folder.iterdir()} == left
        assert list(paths.ended_folder.iterdir()) == [paths.removal_notes(os.geteuid())]
        if not with_output:
            assert (paths.artifacts / "model.bin").exists()
            assert not paths.run.exists()
            (paths.artifacts / "model.bin").unlink()
            paths.artifacts.rmdir()
            paths.folder.rmdir()


def test_the_job_id_is_noted(folder: Path) -> None:
    submission = create(folder)
    save_job(submission, "77")
    assert json.loads(submission.job.read_text())["job_id"] == "77"


def test_every_intent_has_a_token_of_its_own() -> None:
    tokens = {new_intent().token for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {32}


@pytest.mark.parametrize("load", [load_run, load_task])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("[]", "not an object"),
        ("{}", "version None; this TMGG reads 1 to 1"),
        ('{"version": 2}', "version 2; this TMGG reads 1 to 1"),
        ('{"version": 1}', "lacks fields"),
        (
            '{"version": 1, "run_id": 5, "backend": "b", "base_dir": "/", "settings": {}, '
            '"target": "a:b", "config": {}}',
            "run_id=5, which is no str",
        ),
    ],
)
def test_a_damaged_record_is_a_record_error_that_names_the_file(
    folder: Path, load: object, content: str, words: str
) -> None:
    paths = create(folder).run_paths
    for file in (paths.run, paths.task):
        file.write_text(content)
    with pytest.raises(RecordError, match=words) as caught:
        load(paths)  # type: ignore[operator]
    assert str(paths.folder) in str(caught.value)


def test_what_is_missing_is_said_so(folder: Path) -> None:
    paths = create(folder).run_paths
    with pytest.raises(RecordError, match=r"has no intent\.json"):
        load_intent(paths.submission(1))
    paths.task.unlink()
    with pytest.raises(RecordError, match="run 'run' has no"):
        load_task(paths)
    with pytest.raises(UnknownRunError):
        load_run(RunPaths(folder, "nobody"))


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    me = process_start(os.getpid())
    assert me.isdigit()
    assert process_name(os.getpid()).startswith(f"{os.getpid()}.{me}@")
    assert process_start(2**22 + 1) == ""
    assert new_intent().submitter_alive()
    assert not Intent(token="x", process_start="1").submitter_alive()
    assert not Intent(token="x", host="another").submitter_alive()


def test_a_run_that_vanishes_while_it_is_looked_at_was_removed(folder: Path) -> None:
    paths = create(folder).run_paths
    shutil.rmtree(paths.folder)
    for load in (lambda: load_intent(paths.submission(1)), lambda: load_task(paths)):
        with pytest.raises(RemovedRunError, match="run run was removed"):
            load()


def test_a_launcher_that_was_stopped_does_not_take_itself_for_ended(folder: Path) -> None:
    submission = create(folder)
    write_json(submission.intent, new_intent(submission).to_json())
    intent = load_intent(submission)
    os.utime(submission.intent, (1000, 1000))
    assert launcher_is_over(submission, intent)
    with leases.held(submission.intent):
        os.utime(submission.intent, (1000, 1000))
        assert not launcher_is_over(submission, intent)


def test_a_run_that_another_process_submitted_again_is_not_taken_back(folder: Path) -> None:
    first = create(folder)
    second = add_submission(first, lambda draft, _final: draft.intent.touch())
    with pytest.raises(RunExistsError, match="another process has submitted run 'run' again"):
        withdraw_submission(first)
    assert second.intent.exists()
    withdraw_submission(second)
    withdraw_submission(first)
    assert not first.run_paths.folder.exists()
