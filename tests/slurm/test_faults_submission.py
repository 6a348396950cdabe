"""Exactly one job per submission, whatever happens to sbatch, its answer, or the submitter."""

import pytest

from tests.slurm.trial import Reply, Trial, config, new_id, within

ACCEPT_THEN = '"$real" "$@" > /dev/null 2>&1\n'


def test_an_answer_lost_after_acceptance_is_looked_up(trial: Trial) -> None:
    trial.wrap_sbatch(ACCEPT_THEN + "echo 'sbatch: error: Zero Bytes were transmitted' >&2; exit 1")
    with within(15):
        run_id = trial.spawn()
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_a_sweep_whose_answers_are_all_lost_submits_each_run_once(trial: Trial) -> None:
    trial.wrap_sbatch(ACCEPT_THEN + "echo 'sbatch: error: Socket timed out' >&2; exit 1")
    configs = [config("quick", value=value) for value in (1, 2, 3)]
    with within(30):
        reply = trial.call("sweep", configs=configs, options={"parallelism": 3})
    assert [result["metrics"]["value"] for result in reply.answer] == [1, 2, 3]
    assert len(trial.jobs()) == 3


def test_an_error_in_nobodys_words_after_acceptance_is_looked_up(trial: Trial) -> None:
    trial.wrap_sbatch(ACCEPT_THEN + "echo 'wrapper: cannot write my log' >&2; exit 1")
    with within(15):
        run_id = trial.spawn()
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_an_answer_that_never_comes_after_acceptance_is_looked_up(trial: Trial) -> None:
    trial.client = {"submit_timeout_s": 4}
    trial.wrap_sbatch(ACCEPT_THEN + "sleep 100")
    with within(15):
        run_id = trial.spawn()
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_an_sbatch_that_hangs_without_submitting_is_tried_again(trial: Trial) -> None:
    trial.client = {"submit_timeout_s": 4}
    trial.wrap_sbatch('if [ ! -e hung ]; then touch hung; sleep 100; fi\nexec "$real" "$@"')
    with within(20):
        run_id = trial.spawn()
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_giving_up_leaves_a_failed_run_that_can_be_retried(trial: Trial) -> None:
    trial.client = {"submit_timeout_s": 1}
    trial.wrap_sbatch("sleep 100")
    run_id = new_id()
    with within(20):
        reply = trial.call("spawn", run_id, config=config("quick"), slurm={"submit_timeout_s": 3.0})
    assert reply.error == "SubmissionError", reply
    assert trial.state(run_id)["failure"]["kind"] == "submission"
    trial.unwrap_sbatch()
    trial.client = {}
    assert trial.call("retry", run_id).error is None
    assert trial.result(run_id)["attempts"] == 2
    assert len(trial.jobs()) == 1


@pytest.mark.parametrize(
    ("option", "words", "names"),
    [
        ({"partition": "gpuu"}, "invalid partition", "batch, gpu, ml-gpu, scavenge"),
        ({"account": "nobody"}, "invalid account", "research"),
    ],
)
def test_a_refusal_is_an_error_at_once_with_the_names_that_exist(
    trial: Trial, option: dict[str, str], words: str, names: str
) -> None:
    run_id = new_id()
    with within(5):
        reply = trial.call("spawn", run_id, config=config("quick"), slurm=option)
    assert reply.error == "RefusedError"
    assert words in reply.message.lower()
    assert names in reply.message
    assert reply.calls["sbatch"] == 1
    assert trial.state(run_id)["failure"]["kind"] == "submission"


def test_a_submitter_killed_before_sbatch_leaves_nothing_running(trial: Trial) -> None:
    trial.wrap_sbatch('kill -9 "$PPID"')
    run_id = _submit_and_die(trial)
    with within(20):
        state = trial.wait_for_state(run_id, final=True)
    assert state["failure"]["kind"] == "submission"
    assert trial.jobs() == []
    trial.unwrap_sbatch()
    assert trial.call("retry", run_id).error is None
    assert trial.result(run_id)["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_a_submitter_killed_during_sbatch_loses_nothing(trial: Trial) -> None:
    trial.wrap_sbatch('kill -9 "$PPID"\nexec "$real" "$@"')
    run_id = _submit_and_die(trial)
    with within(15):
        result = trial.result(run_id)
    assert result["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_a_submitter_killed_after_sbatch_loses_nothing(trial: Trial) -> None:
    trial.wrap_sbatch('"$real" "$@"\nkill -9 "$PPID"')
    run_id = _submit_and_die(trial, "hold")
    trial.wait_for_starts(run_id, 1)
    with within(5):
        assert trial.call("status", run_id).answer == "running"
    trial.go()
    with within(10):
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_a_job_that_arrives_after_its_run_was_given_up_ends_unused(trial: Trial) -> None:
    trial.wrap_sbatch(
        'kill -9 "$PPID"\nuntil [ -e let-it-through ]; do sleep 0.1; done\n"$real" "$@"; touch in'
    )
    run_id = _submit_and_die(trial)
    with within(20):
        state = trial.wait_for_state(run_id, final=True)
    assert state["failure"]["kind"] == "submission"
    trial.login.write("let-it-through", "")
    trial.wait_until((trial.login.host_folder / "in").exists, "the late job")
    (late,) = trial.jobs()
    trial.wait_for_slurm(late, "COMPLETED")
    assert trial.starts(run_id) == []
    trial.unwrap_sbatch()
    assert trial.call("retry", run_id).error is None
    assert trial.result(run_id)["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_a_job_script_submitted_again_by_hand_ends_unused(trial: Trial) -> None:
    run_id = trial.held()
    script = f"slurm_outputs/{run_id}/1/job.sh"
    with within(20):
        again = trial.login.run("sbatch", "--parsable", script).stdout.strip()
        trial.wait_for_slurm(again, "COMPLETED")
    assert trial.state(run_id)["status"] == "running"
    trial.go()
    result = trial.result(run_id)
    assert result["status"] == "completed"
    assert result["job_id"] != again
    assert len(trial.starts(run_id)) == 1


def test_a_job_script_submitted_by_hand_after_the_end_ends_unused(trial: Trial) -> None:
    run_id = trial.spawn()
    before = trial.result(run_id)
    script = f"slurm_outputs/{run_id}/1/job.sh"
    with within(20):
        again = trial.login.run("sbatch", "--parsable", script).stdout.strip()
        trial.wait_for_slurm(again, "COMPLETED")
        assert trial.result(run_id) == before
    assert len(trial.starts(run_id)) == 1


def test_a_run_id_is_submitted_once(trial: Trial) -> None:
    run_id = trial.held()
    with within(5):
        refused = trial.call("spawn", run_id, config=config("quick"))
    assert refused.error == "RunExistsError"
    another = trial.call("spawn", run_id, config=config("quick"), options={"resume": True})
    assert another.error == "RunExistsError"
    resumed = trial.call("spawn", run_id, config=config("hold"), options={"resume": True})
    assert resumed.answer["job_id"] == trial.job_id(run_id)
    assert len(trial.jobs()) == 1


def test_two_submitters_of_one_run_id_make_one_job(trial: Trial) -> None:
    run_id = new_id()
    with within(20):
        both = [trial.start("spawn", run_id, config=config("quick")) for _ in range(2)]
        replies = [trial.finish(process) for process in both]
        assert sorted(str(reply.error) for reply in replies) == ["None", "RunExistsError"]
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1


@pytest.mark.parametrize("line", ["Welcome to the cluster!", "2026", "Quota: 5 of 10"])
def test_a_banner_printed_by_sbatch_is_not_mistaken_for_the_answer(trial: Trial, line: str) -> None:
    banner = f"echo '{line}'; echo '{line}' >&2\n"
    trial.wrap_sbatch(banner + '"$real" "$@"\n' + banner)
    with within(15):
        run_id = trial.spawn()
        assert trial.result(run_id)["status"] == "completed"
    assert trial.jobs() == [trial.job_id(run_id)]


INHERITED = {
    "SBATCH_PARTITION": "no-such-partition",
    "SBATCH_TIMELIMIT": "1",
    "SBATCH_REQUEUE": "1",
    "SBATCH_EXPORT": "NONE",
    "SLURM_CPU_BIND": "map_cpu:63",
    "SLURM_JOB_ID": "1",
    "SLURM_NNODES": "3",
    "SRUN_CPUS_PER_TASK": "64",
    "SQUEUE_STATES": "PENDING",
    "SACCT_FORMAT": "user",
}


def test_inherited_variables_of_slurm_change_nothing(trial: Trial) -> None:
    names = ["SLURM_CPU_BIND", "SRUN_CPUS_PER_TASK", "SBATCH_PARTITION", "SQUEUE_STATES"]
    run_id = new_id()
    with within(15):
        reply = trial.call("run", run_id, config=config("environment", names=names), env=INHERITED)
    assert reply.answer["status"] == "completed", reply
    seen = {name for name, value in reply.answer["metrics"].items() if value}
    assert seen <= {"SLURM_CPU_BIND"}  # srun sets its own
    limit = trial.login.run(
        "squeue", "-h", "-t", "all", "-j", reply.answer["job_id"], "-o", "%l %P"
    )
    assert limit.stdout.split() == ["10:00", "gpu"]


def test_a_run_submitted_from_inside_a_job_is_a_job_of_its_own(trial: Trial) -> None:
    run_id = new_id()
    inside = ["srun", "--nodes=1", "--ntasks=1", "--cpus-per-task=1", "--time=5"]
    request = trial.request("run", run_id, config=config("quick"))
    with within(15):
        done = trial.login.run(*inside, *request)
    assert Reply.parse(done.stdout, done.stderr).answer["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def _submit_and_die(trial: Trial, experiment: str = "quick") -> str:
    run_id = new_id()
    with trial.start("spawn", run_id, config=config(experiment)) as process:
        assert process.wait(timeout=120) != 0
    return run_id
