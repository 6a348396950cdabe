"""Whatever setup commands do to the shell of the job script, its own steps stay whole: by bash."""

import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.request.script_runs.conftest import (
    FAILURE,
    HEEDS,
    PLAIN,
    base_of,
    exit_record,
    make_submission,
    phases,
    render,
    requeues,
    run_to_time_limit,
    wait_for_phase,
)
from tests.fakes.job_commands import SUCCESS, JobCommands
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

SETUPS = {
    "errexit": ("set -e",),
    "errexit, nounset, pipefail": ("set -euo pipefail",),
    "noclobber": ("set -C",),
    "noglob": ("set -f",),
    "posix": ("set -o posix",),
    "variable of posix": ("export POSIXLY_CORRECT=1",),
    "monitor": ("set -m",),
    "glob options": ("shopt -s nullglob failglob nocasematch extdebug",),
    "separator": ("IFS=,",),
    "EXIT trap": ("trap 'echo bye' EXIT",),
    "all traps": ("trap 'echo heard' TERM USR2 HUP CHLD CONT DEBUG ERR RETURN",),
    "ignored signals": ("trap '' TERM USR2 HUP",),
    "functions": (
        'cd() { builtin cd "$@" && ls; }',
        "wait() { :; }; kill() { :; }; read() { return 1; }; printf() { :; }; trap() { :; }",
    ),
    "aliases": ("shopt -s expand_aliases", "alias wait=true kill=true exit=true"),
    "folder": ("cd /",),
    "umask": ("umask 0",),
}
setups = pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
KINDS = {
    "plain": PLAIN,
    "symmetric-run": SlurmConfig(nodes=2, ray_bootstrap="symmetric-run"),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def render_after(paths: SubmissionPaths, setup: tuple[str, ...], *, kind: str = "plain") -> str:
    return render(paths, replace(KINDS[kind], setup_commands=setup, max_restarts=3))


def install_requeuing(tmp_path: Path, paths: SubmissionPaths) -> JobCommands:
    """As Slurm does: the job that is put back into the queue gets SIGTERM."""
    pid = base_of(paths) / "batch.pid"
    requeue = f"until [ -s '{pid}' ]; do sleep 0.01; done; kill -TERM $(cat '{pid}')"
    return JobCommands.install(tmp_path / "bin", experiment=HEEDS, requeue=requeue)


@pytest.fixture
def paths(tmp_path: Path) -> SubmissionPaths:
    """In a folder with a plain name, which the stand-in for Slurm can have in its shell."""
    return make_submission(tmp_path / "work")


@kinds
@setups
def test_whatever_the_setup_does_to_the_shell_the_job_saves_its_state_and_goes_back(
    paths: SubmissionPaths, tmp_path: Path, setup: tuple[str, ...], kind: str
) -> None:
    commands = install_requeuing(tmp_path, paths)
    code, said = run_to_time_limit(paths, commands, render_after(paths, setup, kind=kind))
    assert (paths.folder / "seen").read_text() == "time_limit\n", said
    assert requeues(commands) == [["requeue", "77"]], (code, said)
    record = exit_record(paths)
    assert (code, record.signal, record.entrypoint_exit_code) == (143, "TERM", STOPPED)


@pytest.mark.parametrize(("experiment", "code"), [(SUCCESS, 0), (FAILURE, 1)])
@kinds
@setups
def test_whatever_the_setup_does_to_the_shell_a_run_that_ended_is_not_run_again(
    paths: SubmissionPaths,
    tmp_path: Path,
    setup: tuple[str, ...],
    kind: str,
    experiment: str,
    code: int,
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=experiment)
    script = render_after(paths, setup, kind=kind)
    done = commands.run(script, base_of(paths))
    record = exit_record(paths)
    assert (done.returncode, record.entrypoint_exit_code, record.stage) == (
        code,
        code,
        "entrypoint",
    )
    calls = commands.calls()
    again = commands.run(script, base_of(paths), SLURM_RESTART_COUNT="1")
    assert "this run has ended" in again.stdout
    assert commands.calls() == calls


def test_what_the_setup_wants_done_at_the_end_is_done_after_the_record(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=FAILURE)
    trap = f"trap 'echo \"it'\\''s $? with $mine\"; test -s {paths.ended} && echo noted' EXIT"
    done = commands.run(render_after(paths, ("mine='a  b'", trap)), base_of(paths))
    assert done.stdout == "it's 1 with a  b\nnoted\n"
    assert (done.returncode, exit_record(paths).exit_code) == (1, 1)


def test_a_trap_of_the_setup_that_ends_the_script_does_not_change_what_is_noted(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    done = commands.run(render_after(paths, ("trap 'exit 3' EXIT",)), base_of(paths))
    assert (done.returncode, exit_record(paths).exit_code) == (3, 0)


def test_a_trap_that_the_setup_adds_to_the_scripts_own_runs_once(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=FAILURE)
    add = 'eval "set -- $(trap -p EXIT)"; trap "$3; echo more; (exit 4); $3" EXIT'
    done = commands.run(render_after(paths, (add,)), base_of(paths))
    assert (done.returncode, done.stdout) == (1, "more\n")
    assert exit_record(paths).exit_code == 1
    assert phases(paths).count("batch_end") == 1


@pytest.mark.parametrize("sets", ["", "set -e"])
def test_a_setup_command_that_fails_after_an_exit_trap_is_reported(
    paths: SubmissionPaths, tmp_path: Path, sets: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    setup = (sets or ":", "trap 'echo bye' EXIT", "false")
    done = commands.run(render_after(paths, setup), base_of(paths))
    record = exit_record(paths)
    assert (done.returncode, record.stage, done.stdout) == (71, "setup", "bye\n")
    assert "setup command failed with exit code 1: number 3 of slurm_setup_commands" in done.stderr


@pytest.mark.parametrize(("ends", "code"), [("exit 3", 3), ("(exit 4) || exit", 4), ("exit", 0)])
def test_a_sourced_file_that_exits_after_an_exit_trap_leaves_a_record(
    paths: SubmissionPaths, tmp_path: Path, ends: str, code: int
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    activate = tmp_path / "activate"
    activate.write_text(f"trap 'echo bye' EXIT\nf() {{ {ends}; }}\nf\n")
    done = commands.run(render_after(paths, (f"source {activate}",)), base_of(paths))
    record = exit_record(paths)
    assert (done.returncode, done.stdout, commands.calls()) == (code, "bye\n", [])
    assert (record.exit_code, record.stage) == (code, "setup")


def test_a_subshell_of_the_setup_that_exits_ends_nothing(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    setup = ("( exit 3 ) || true", 'test "$(exit 4 || echo x; echo $?)" = "" || true')
    done = commands.run(render_after(paths, setup), base_of(paths))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert exit_record(paths).stage == "entrypoint"


def test_a_job_that_is_cancelled_during_a_setup_with_an_exit_trap_leaves_a_record(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    setup = ("trap 'echo bye' EXIT", "kill -TERM $$", "sleep 0")
    done = commands.run(render_after(paths, setup), base_of(paths))
    record = exit_record(paths)
    assert (done.returncode, done.stdout) == (143, "bye\n")
    assert (record.stage, record.signal) == ("setup", "TERM")


def test_a_sourced_file_that_ends_the_script_by_set_e_is_named_by_its_setup_command(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    activate = tmp_path / "activate"
    activate.write_text("set -e\ntrap 'echo bye' EXIT\nfalse\necho later\n")
    script = render_after(paths, ("true", f"true\nsource {activate}", "true"))
    done = commands.run(script, base_of(paths))
    line = script.splitlines().index(f"source {activate}") + 1
    assert f"exit code 1: number 2 of slurm_setup_commands, line {line} of" in done.stderr
    assert (done.returncode, done.stdout, exit_record(paths).stage) == (71, "bye\n", "setup")


def test_a_setup_command_that_loses_the_path_is_reported(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    done = commands.run(render_after(paths, ("export PATH=/opt/of/mine",)), base_of(paths))
    record = exit_record(paths)
    assert (done.returncode, record.stage) == (127, "preflight")
    found = diagnose_exit(record, "127:0", "FAILED", LogTails(stderr=done.stderr))
    assert found.kind == "environment"


@pytest.mark.parametrize("options", ["errexit:noclobber", "nounset:posix"])
def test_options_that_the_submitting_shell_exports_do_not_count(
    paths: SubmissionPaths, tmp_path: Path, options: str
) -> None:
    commands = install_requeuing(tmp_path, paths)
    script = render_after(paths, ())
    code, _said = run_to_time_limit(paths, commands, script, SHELLOPTS=options)
    assert (code, requeues(commands)) == (143, [["requeue", "77"]])


def test_the_setups_variables_folder_and_umask_are_the_experiments(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    says = f'echo "$MINE $(pwd) $(umask)" > "$last/seen"; {SUCCESS}'
    commands = JobCommands.install(tmp_path / "bin", experiment=says)
    setup = ("export MINE=1", "cd /usr", "umask 0027")
    commands.run(render_after(paths, setup), base_of(paths))
    assert (paths.folder / "seen").read_text() == "1 /usr 0027\n"


def test_signals_of_no_meaning_to_the_script_do_not_end_its_waiting(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = install_requeuing(tmp_path, paths)
    script = render_after(paths, ("trap 'echo heard' CONT",))
    with commands.start(script, base_of(paths)) as job:
        wait_for_phase(paths, "entrypoint_start")
        job.send_signal(signal.SIGCONT)  # as Slurm does when it resumes a job
        paths.stop.write_text("time_limit\n")
        _out, said = job.communicate(timeout=45)
    assert job.returncode == STOPPED, said
    assert exit_record(paths).entrypoint_exit_code == STOPPED


@pytest.mark.parametrize(
    ("time", "preempted"),
    [
        ("2026-11-30T12:00:00", True),
        ("12:00:00", True),
        ("1796063204", True),
        ("None", False),
        ("N/A", False),
        ("Unknown", False),
    ],
)
def test_a_preemption_is_seen_in_whatever_form_its_time_is(
    paths: SubmissionPaths, tmp_path: Path, time: str, preempted: bool
) -> None:
    job = f"JobState=RUNNING PreemptEligibleTime=2026-11-30T11:00:00 PreemptTime={time} Restarts=0"
    stops = SUCCESS.replace("echo 0", f"echo {STOPPED}") + f"; exit {STOPPED}"
    commands = JobCommands.install(tmp_path / "bin", experiment=stops, job=job)
    commands.run(render_after(paths, ()), base_of(paths))
    assert bool(requeues(commands)) is preempted


def test_variables_of_the_setup_turn_no_question_to_slurm(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    stops = SUCCESS.replace("echo 0", f"echo {STOPPED}") + f"; exit {STOPPED}"
    commands = JobCommands.install(tmp_path / "bin", experiment=stops)
    shown = "JobState=RUNNING PreemptTime=2026-11-30T12:00:00 Restarts=0"
    (commands.folder / "scontrol").write_text(
        "#!/bin/sh\n"
        f'echo "$1 $SLURM_TIME_FORMAT:$SLURM_CLUSTERS" >> {tmp_path}/asked\n'
        f'case "$*" in *" show job "*) echo "{shown}" ;; esac; exit 1\n'
    )
    setup = ("export SLURM_TIME_FORMAT=relative SLURM_CLUSTERS=other",)
    commands.run(render_after(paths, setup), base_of(paths))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["--oneliner standard:", "--oneliner standard:", "requeue standard:"]


def test_a_step_gets_its_environment_though_the_setup_says_that_it_gets_none(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    says = f'echo "${{SLURM_EXPORT_ENV-unset}}" > "$last/seen"; {SUCCESS}'
    commands = JobCommands.install(tmp_path / "bin", experiment=says)
    commands.run(render_after(paths, ("export SLURM_EXPORT_ENV=NONE",)), base_of(paths))
    assert (paths.folder / "seen").read_text() == "unset\n"


def test_the_options_of_a_new_shell_are_what_bash_says_they_are() -> None:
    asked = ["bash", "-c", 'eval "$(set +o; shopt -p)"; echo $-']
    done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    assert (done.stdout, done.stderr) == ("hBc\n", "")
