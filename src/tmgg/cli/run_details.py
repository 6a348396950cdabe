"""All that is known about one run, as `tmgg-jobs show --json` prints it."""

from pathlib import Path
from typing import Any

from tmgg.cli.run_json import to_json
from tmgg.cli.selection import titles_of
from tmgg.cli.shell_commands import render_commands
from tmgg.cli.used import describe_use
from tmgg.errors import RecordError, RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.judging.results import load_verdict
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.files.plain_files import read_beginning
from tmgg.experiment_utils.run_folder.attempt_changes import changes_of
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.ownership import is_forbidden, read_job_id
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import PHASE_WORDS, parse_phases
from tmgg.experiment_utils.run_folder.refused_retry import read_refused_retry
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_intent, submitted_at
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def describe(run: KnownRun, found: Found) -> dict[str, Any]:
    """`to_json` with attempts, timeline, result, files, settings and commands."""
    record = None if isinstance(run.record, RunError) else run.record
    numbers = run.paths.submission_numbers()
    last = run.paths.submission(max(numbers, default=1))
    return {
        **to_json(run, found),
        "title": _title(run),
        "host": record.host if record else None,
        "base_dir": record.base_dir if record else None,
        "tmgg_version": record.tmgg_version if record else None,
        "settings": _settings(last, record),
        "result": _result(last, found),
        **describe_use(last, found),
        "submissions": [_submission(run.paths.submission(number)) for number in numbers],
        "refused_retry": _refused_retry(run.paths),
        "timeline": _timeline(run, last),
        "files": _files(run.paths, last),
        "commands": render_commands(
            backend=record.backend if record else "",
            job_id=None if isinstance(found, RunError) else found.job_id,
            stdout=run.paths.stdout,
            stderr=run.paths.stderr,
            run_id=run.run_id,
            final=isinstance(found, RunError) or found.final,
            cluster=(record.settings if record else {}).get("clusters"),
        ),
    }


def _title(run: KnownRun) -> str:
    """The run's title in its sweep's record; empty if there is none."""
    return titles_of([run]).get(run.paths, "")


def _refused_retry(paths: RunPaths) -> dict[str, Any] | None:
    found = read_refused_retry(paths)
    if found is None:
        return None
    return {"at": found.at, "message": found.message, "changes": found.changes}


def _result(last: SubmissionPaths, found: Found) -> dict[str, Any] | None:
    if isinstance(found, RunError) or found.status != "completed":
        return None
    output, _problem = read_result(SubmissionFiles(last))
    if output is None:
        return None
    return {
        "metrics": output.metrics,
        "checkpoint_path": output.checkpoint_path,
        "duration_seconds": output.duration_seconds,
        "hostname": output.hostname,
        "changed_script": output.changed_script,
        "changed_code": output.changed_code,
        "ray_nodes": output.ray_nodes,
    }


def _settings(last: SubmissionPaths, record: RunRecord | None) -> dict[str, Any] | None:
    """The settings of the last attempt; if they cannot be read, those in the run's record."""
    try:
        return record_of(last).settings if record else None
    except (RunError, OSError):
        return record.settings if record else None


def _submission(paths: SubmissionPaths) -> dict[str, Any]:
    verdict = _verdict(paths)
    return {
        "number": paths.number,
        "job_id": read_job_id(paths),
        "submitted_at": submitted_at(paths),
        "starts": len(_set_aside(paths)) + is_there(paths.phases),
        "given_up": _is_given_up(paths),
        "status": verdict.status if verdict else None,
        "failure_kind": verdict.failure.kind if verdict and verdict.failure else None,
        "folder": str(paths.folder),
        "changes": changes_of(paths),
    }


def _is_given_up(paths: SubmissionPaths) -> bool:
    """Whether it was given up before a job began it; False if its owner cannot be read."""
    try:
        return is_forbidden(paths)
    except OSError:
        return False


def _verdict(paths: SubmissionPaths) -> RunState | None:
    try:
        return load_verdict(SubmissionFiles(paths))
    except (RecordError, OSError):
        return None


def _set_aside(paths: SubmissionPaths) -> list[Path]:
    """The phases of earlier starts of a job that the backend restarted. Raises OSError."""
    before = f"{paths.phases.name}.before-restart-"
    return sorted(paths.folder / name for name in listing(paths.folder) if name.startswith(before))


def _timeline(run: KnownRun, last: SubmissionPaths) -> list[dict[str, Any]]:
    """The known events of the last submission, sorted by time."""
    marks: list[tuple[float, str, str, str]] = []
    try:
        intent = load_intent(last)
        marks.append((intent.created_at, "recorded", intent.host, "the record was written"))
    except (RunError, OSError):
        pass
    if (at := submitted_at(last)) is not None:
        marks.append((at, "submitted", "", "the backend took the job"))
    for path in [*_set_aside(last), last.phases]:
        for phase in parse_phases(_read(path)):
            words = PHASE_WORDS.get(phase.name, phase.name.replace("_", " "))
            marks.append((phase.at, phase.name, phase.host, words))
    marks.sort(key=lambda mark: mark[0])
    before = [marks[0][0], *(mark[0] for mark in marks[:-1])] if marks else []
    return [
        {"name": name, "at": at, "seconds": round(at - since, 3), "host": host, "words": words}
        for (at, name, host, words), since in zip(marks, before, strict=True)
    ]


def _files(run: RunPaths, last: SubmissionPaths) -> dict[str, str]:
    files = {
        "stdout": run.stdout,
        "stderr": run.stderr,
        "record": run.run,
        "task": run.task,
        "script": last.script,
        "phases": last.phases,
        "result": last.result,
        "exit_record": last.ended,
        "output": run.artifacts,
        "ranks": last.ranks,
    }
    return {name: str(path) for name, path in files.items() if _is_seen(path)}


def _is_seen(path: Path) -> bool:
    try:
        return is_there(path)
    except OSError:
        return True  # show the path: opening it shows why the file cannot be read


def _read(path: Path) -> str:
    try:
        return read_beginning(path)
    except OSError:
        return ""
