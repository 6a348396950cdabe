"""`show`, `explain` and `logs` of a sweep: how its runs stand, failures grouped by cause."""

import shutil
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import EXPERIMENTS, Jobs, task
from tmgg.cli.sweep_view import LINES_OF_A_MESSAGE
from tmgg.console.causes import group_by_cause
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.run_folder.failures import failure

LATER = """
def late(config):
    raise RuntimeError(f"no data for seed {config['seed']}")
"""


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A sweep of five runs: one completed, three failed alike, one of something else."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMGG_HOME", str(folder / "tmgg-home"))
        patch.chdir(folder)
        (folder / "work.py").write_text(EXPERIMENTS + LATER)
        runner = LocalRunner(LocalConfig())
        names = ("late", "good", "late", "bad", "late")
        requests = [
            TaskRequest(config=task(name, seed=seed), title=f"model=mlp seed={seed}")
            for seed, name in enumerate(names)
        ]
        sweep = runner.spawn_sweep(requests, name="seeds", metric="epochs", metric_mode="max")
        for run_id in sweep.run_ids:
            runner.get_result(run_id)
    return folder, sweep.sweep_id


@pytest.fixture
def sweep(finished_sweep: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its id; it is in the working directory."""
    shutil.copytree(finished_sweep[0], tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return finished_sweep[1]


def test_show_has_a_row_for_each_run_and_the_causes(sweep: str, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("show", "seeds")
    head, _, names, *lines = shown.out.splitlines()
    assert (shown.code, shown.err) == (0, "")
    assert head == f"sweep {sweep} (seeds): 5 runs: 4 failed, 1 completed"
    assert names.split() == ["run", "seed", "status", "failure", "job"]
    assert [line.split()[:3] for line in lines[:2]] == [
        [f"{sweep}-0", "0", "failed"],
        [f"{sweep}-1", "1", "completed"],
    ]
    assert "3 failed (user_error, for example: " in shown.out


def test_show_of_a_sweep_as_json_has_the_runs(sweep: str, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("show", sweep, "--json").json
    assert (shown["sweep_id"], shown["name"]) == (sweep, "seeds")
    assert shown["counts"] == {"failed": 4, "completed": 1}
    assert [run["title"] for run in shown["runs"]][:2] == ["model=mlp seed=0", "model=mlp seed=1"]


def test_show_of_one_run_says_what_it_was_asked_for(sweep: str, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("show", f"{sweep}-1")
    assert "overrides   model=mlp seed=1\n" in shown.out


def test_wait_tells_its_runs_apart(sweep: str, tmgg_jobs: Jobs) -> None:
    waited = tmgg_jobs("wait", sweep)
    names, first, *_more = waited.out.splitlines()
    assert names.split() == ["run", "seed", "status", "attempt", "failure"]
    assert first.split() == [f"{sweep}-0", "0", "failed", "1", "user_error"]


def test_explain_groups_failures_by_cause_the_commonest_first(sweep: str, tmgg_jobs: Jobs) -> None:
    told = tmgg_jobs("explain", sweep)
    first, second = told.out.split("\n\n")[1:]
    assert first.startswith("3 failed (user_error, for example: ")
    assert "no data for seed 0" in first
    assert f"{sweep}-4  seed=4\n" in first
    assert "ValueError: boom" in second
    assert second.count("HINT: ") == 1
    causes = tmgg_jobs("explain", sweep, "--json").json["causes"]
    assert [cause["runs"] for cause in causes] == [
        [f"{sweep}-{number}" for number in (0, 2, 4)],
        [f"{sweep}-3"],
    ]


def test_explain_has_all_of_a_message_or_its_end(sweep: str, tmgg_jobs: Jobs) -> None:
    causes = tmgg_jobs("explain", sweep, "--json").json["causes"]
    told = tmgg_jobs("explain", sweep).out
    for cause in causes:
        for line in cause["message"].splitlines()[1:][-LINES_OF_A_MESSAGE:]:
            assert f"    {line}\n" in told
    assert any(len(cause["message"].splitlines()) > 1 for cause in causes)


def test_logs_prints_one_log_for_each_cause(sweep: str, tmgg_jobs: Jobs) -> None:
    printed = tmgg_jobs("logs", sweep, "--stderr")
    assert printed.out.count("==> ") == 2
    assert f"==> {sweep}-0  seed=0 (user_error, and 2 more failed so) <==" in printed.out
    before, after = printed.out.split(f"==> {sweep}-3")
    assert "no data for seed 0" in before
    assert "on its way" in after
    assert tmgg_jobs("logs", sweep, "--follow").code == 2


def test_runs_that_are_held_back_are_counted_apart(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    plan = runner.plan_sweep(
        [task("good", x=x) for x in range(3)], SweepOptions(mode="array", parallelism=1)
    )
    runner.runs.note_sweep(plan, gpu_type=None)
    runner.runs.show_alive(plan.sweep_id)
    told = tmgg_jobs("explain", plan.sweep_id)
    assert told.out.splitlines()[0].endswith(": 3 runs: 3 to submit")
    header, row = tmgg_jobs("list").out.splitlines()[:2]
    assert "pending  to submit" in header
    assert row.split().count("3") == 1
    assert tmgg_jobs("show", plan.sweep_id, "--json").json["counts"] == {"pending": 3}


def test_why_runs_wait_is_reported_once_for_all(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    known = runner.spawn_sweep([task("good", x=x) for x in range(3)], mode="separate")
    told = tmgg_jobs("explain", known.sweep_id)
    assert told.out.splitlines()[0].endswith(": 3 runs: 3 pending")
    (reason,) = tmgg_jobs("explain", known.sweep_id, "--json").json["waiting"]
    assert reason["runs"] == known.run_ids
    assert f"3 pending ({reason['reason']})" in told.out


def test_causes_differ_in_words_not_in_numbers_nor_in_names_of_runs() -> None:
    def failed(run_id: str, words: str, kind: str = "user_error") -> RunState:
        why = failure(kind, words)  # type: ignore[arg-type]
        return RunState(run_id=run_id, status="failed", final=True, failure=why, job_id="77")

    states = [
        failed("a", "killed in run a at 4.5 GB"),
        failed("b", "killed in run b at 12 GB\nmore"),
        failed("c", "killed in run c at 12 GB", "out_of_memory"),
        failed("d", "boom"),
    ]
    assert [cause.run_ids for cause in group_by_cause(states)] == [["a", "b"], ["c"], ["d"]]


def test_collect_ranks_by_the_metric_that_the_sweep_was_launched_with(
    sweep: str, tmgg_jobs: Jobs
) -> None:
    collected = tmgg_jobs("collect", "seeds")
    assert f"best epochs: 3 (run {sweep}-1)" in collected.out
    assert collected.out.splitlines()[1].split()[0] == f"{sweep}-1"
    assert "best" not in tmgg_jobs("collect", "seeds", "--sort", "nothing").out
