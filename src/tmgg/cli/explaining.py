"""Why a run is pending or failed: the backend's reasons in plain words, and lines of its logs."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from tmgg.cli.used import describe_use
from tmgg.console.durations import render_duration
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, find_evidence
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.cloud.slurm.site.reasons import Explanation, at_cluster, explain_reason
from tmgg.experiment_utils.files.plain_files import read_beginning
from tmgg.experiment_utils.run_folder.attempt_log import last_attempt
from tmgg.experiment_utils.run_folder.attempts import newest_submission
from tmgg.experiment_utils.run_folder.evidence import log_tail
from tmgg.experiment_utils.run_folder.phases import PHASE_WORDS, parse_phases
from tmgg.experiment_utils.run_folder.submission_files import first_attempt


def explain_run(run: KnownRun, state: RunState) -> dict[str, Any]:
    """What `tmgg-jobs explain --json` prints."""
    reasons = _reasons(run, state)
    return {
        "run_id": state.run_id,
        "status": state.status,
        "summary": _summary(run, state, reasons),
        "reasons": [asdict(reason) for reason in reasons],
        "estimated_start": None if _is_blocked(reasons) else state.estimated_start,
        "failure": asdict(state.failure) if state.failure else None,
        "evidence": _evidence(run, state),
        "advice": describe_use(newest_submission(run.paths), state)["advice"],
    }


def _reasons(run: KnownRun, state: RunState) -> list[Explanation]:
    if isinstance(run.record, RunError) or run.record.backend != "slurm":
        return []
    if state.status != "pending" or state.job_id is None:
        return []
    names = {"JOB_ID": state.job_id, "PARTITION": run.record.settings.get("partition", "")}
    cluster = run.record.settings.get("clusters")
    reasons = [at_cluster(reason, cluster) for reason in explain_reason(state.reason or "None")]
    return [_filled(reason, names) for reason in reasons]


def _filled(reason: Explanation, names: Mapping[str, str]) -> Explanation:
    advice = reason.advice
    for name, value in names.items():
        advice = advice.replace(name, str(value))
    return replace(reason, advice=advice)


def _is_blocked(reasons: list[Explanation]) -> bool:
    return any(reason.outlook == "blocked" for reason in reasons)


def _summary(run: KnownRun, state: RunState, reasons: list[Explanation]) -> str:
    name = f"run {state.run_id}"
    job = f" (job {state.job_id}, {state.backend_state})" if state.job_id else ""
    note = f" {state.note}." if state.note else ""
    if state.failure is not None:
        return f"{name} failed: {state.failure.kind}.{note}"
    if state.status == "completed":
        return f"{name} completed."
    if state.status == "running":
        return f"{name} is running{job}{_last_phase(run)}.{note}"
    if state.job_id is None:
        return f"{name} is being submitted; the backend has no job of it yet.{note}"
    if _is_blocked(reasons):
        return f"{name} is pending{job} and will not start unless something changes.{note}"
    return f"{name} is pending{job}; it will start by itself.{note}"


def _last_phase(run: KnownRun) -> str:
    try:
        phases = parse_phases(read_beginning(newest_submission(run.paths).phases))
    except OSError:
        return ""
    if not phases:
        return ""
    since = render_duration(max(0.0, time.time() - phases[-1].at))
    return f"; since {since} ({phases[-1].host}): {PHASE_WORDS.get(phases[-1].name, '')}"


def _evidence(run: KnownRun, state: RunState) -> list[str]:
    if state.failure is None:
        return []
    submission = newest_submission(run.paths)
    name, restart = str(submission.number), state.attempt - first_attempt(submission)
    out, err = (
        last_attempt(log_tail(log), submission=name, restart=restart)
        for log in (run.paths.stdout, run.paths.stderr)
    )
    logs = LogTails(stdout=out, stderr=err)
    told = state.failure.message.splitlines()
    return [line for line in find_evidence(logs) if line not in told]
