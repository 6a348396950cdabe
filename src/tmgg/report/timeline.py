"""The parts of a run's time, from the marks that its jobs left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tmgg.errors import RecordError
from tmgg.experiment_utils.cloud.judging.results import load_verdict
from tmgg.experiment_utils.files.looking import listing
from tmgg.experiment_utils.files.plain_files import read_beginning
from tmgg.experiment_utils.run_folder.paths import JobFiles, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import Phase, parse_phases
from tmgg.experiment_utils.run_folder.registry import submitted_at
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.report.model import Span, SpanKind

_ENDED = "entrypoint_end"


def read_spans(paths: RunPaths, *, is_alone: bool, has_failed: bool, until_s: float) -> list[Span]:
    """The parts of all starts of all submissions of a run, in order.

    `is_alone`: there was only one start, so no others are looked for. `until_s` is used as the end
    if none is on record. What cannot be read is left out.
    """
    numbers = [1] if is_alone else paths.submission_numbers()
    starts = [
        _Start(submission, marks, has_failed=did_fail)
        for number in numbers
        for submission in [paths.submission(number)]
        for marks, did_fail in _read_starts(
            submission, is_alone=is_alone, has_failed=has_failed and number == numbers[-1]
        )
    ]
    if not starts:
        return spans_of([], asked_s=_submitted_at(paths.submission(1)), until_s=until_s)
    ends = [*(start.marks[0].at for start in starts[1:]), until_s]
    spans: list[Span] = []
    for start, end_s in zip(starts, ends, strict=True):
        asked_s = None if spans else _submitted_at(start.submission)
        spans += spans_of(start.marks, asked_s=asked_s, until_s=end_s, has_failed=start.has_failed)
    return spans


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    submission: SubmissionPaths = field(kw_only=False)
    marks: list[Phase] = field(kw_only=False)
    has_failed: bool
    """Whether its experiment failed, or was stopped before it could save its state."""


def spans_of(
    marks: Sequence[Phase],
    *,
    asked_s: float | None,
    until_s: float,
    has_failed: bool = False,
) -> list[Span]:
    """The parts of one start. Pure."""
    at = {mark.name: mark.at for mark in reversed(marks)}
    begin = at.get("batch_start")
    if begin is None:
        return [] if asked_s is None else _span("queue", asked_s, until_s)
    found = [] if asked_s is None else _span("queue", asked_s, begin)
    end = at.get("batch_end", until_s)
    started = at.get("entrypoint_start")
    if started is None:
        return found + _span("failed" if has_failed else "startup", begin, end)
    ended = at.get(_ENDED, end)
    kind: SpanKind = "failed" if has_failed else "run"
    found += _span("startup", begin, started) + _span(kind, started, ended)
    return found + _span("end", ended, end)


def _span(kind: SpanKind, begin_s: float, end_s: float) -> list[Span]:
    # Clocks of nodes differ a little: a part that would end before it began is left out.
    return [Span(kind, begin_s, end_s)] if end_s > begin_s else []


def _read_starts(
    submission: SubmissionPaths, *, is_alone: bool, has_failed: bool
) -> list[tuple[list[Phase], bool]]:
    """The marks of each start of a submission's job, and whether the start failed."""
    names = [] if is_alone else _set_aside(submission)
    starts = [parse_phases(_text(submission, name)) for name in names]
    # If the experiment ended by itself before the next start, it had saved its state.
    found = [(marks, not any(mark.name == _ENDED for mark in marks)) for marks in starts]
    last = parse_phases(_text(submission, submission.phases.name))
    found.append((last, has_failed or _failed(submission, is_alone=is_alone)))
    return [(marks, did_fail) for marks, did_fail in found if marks]


def _failed(submission: SubmissionPaths, *, is_alone: bool) -> bool:
    """Whether a submission that was followed by another failed, without its state saved."""
    if is_alone:
        return False
    try:
        verdict = load_verdict(SubmissionFiles(submission))
    except (RecordError, OSError):
        return False
    return verdict is not None and verdict.status == "failed" and not verdict.resumable


def read_all_marks(files: JobFiles) -> list[list[Phase]]:
    """The marks of each start of a job, in order. Marks that cannot be read are left out."""
    names = [*_set_aside(files), files.phases.name]
    return [marks for name in names if (marks := parse_phases(_text(files, name)))]


def _set_aside(files: JobFiles) -> list[str]:
    """Names of the marks of earlier starts, in order."""
    before = f"{files.phases.name}.before-restart-"
    try:
        names = [name for name in listing(files.folder) if name.startswith(before)]
    except OSError:
        return []
    numbered = [name for name in names if name.removeprefix(before).isdecimal()]
    return sorted(numbered, key=lambda name: int(name.removeprefix(before)))


def _text(files: JobFiles, name: str) -> str:
    try:
        return read_beginning(files.folder / name)
    except OSError:
        return ""


def _submitted_at(submission: SubmissionPaths) -> float | None:
    try:
        folder = SubmissionFiles(submission).submitted
        return None if folder is None else submitted_at(folder)
    except (RecordError, OSError):
        return None
