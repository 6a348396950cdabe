"""The exit codes of `tmgg-jobs`: the same in every command; docs/jobs.md lists them."""

from tmgg.errors import (
    BackendError,
    RecordError,
    SubmissionError,
    SubmissionUnknownError,
    TmggError,
    UnknownRunError,
    UnreadableError,
)

OK = 0
FAILED = 1
MISUSE = 2
UNKNOWN_RUN = 3
NO_ANSWER = 4
TIMED_OUT = 124
INTERRUPTED = 130

MEANINGS: dict[int, str] = {
    OK: "done; if the command waited for runs or collected them, all of them completed",
    FAILED: "a run failed; doctor found a problem; the backend refused a retry",
    MISUSE: "wrong usage, or something that cannot be done with this run",
    UNKNOWN_RUN: "the run does not exist, its record is damaged, or it was removed meanwhile",
    NO_ANSWER: "the backend or a folder does not answer; the output is the last known state",
    TIMED_OUT: "wait: the time was over before the runs ended",
    INTERRUPTED: "interrupted with Ctrl-C; the runs go on",
}

# The first kind that fits counts.
_OF_ERRORS: tuple[tuple[type[TmggError], int], ...] = (
    (UnreadableError, NO_ANSWER),
    (UnknownRunError, UNKNOWN_RUN),
    (RecordError, UNKNOWN_RUN),
    (SubmissionUnknownError, NO_ANSWER),
    (SubmissionError, FAILED),
    (BackendError, NO_ANSWER),
)


def exit_code_of(error: TmggError) -> int:
    """The exit code of a command that ends with this error."""
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), MISUSE)


def render_meanings() -> str:
    """The end of the program's `--help`, to which the help of each command refers."""
    lines = (f"{code:3}  {words}" for code, words in MEANINGS.items())
    return "\n".join(["Exit codes:", *lines])
