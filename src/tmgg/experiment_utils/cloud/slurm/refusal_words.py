"""What Slurm's commands print when they refuse a job or get no answer."""

import re
from collections.abc import Sequence

LONGEST_LINE = 200
SHOWN_AT_AN_END = 3

# sbatch prints this before the controller's reason for refusing a job.
REFUSED = "Batch job submission failed:"
# sbatch prints this for options that it does not understand; it does not ask the controller then.
USAGE = re.compile(
    r"^sbatch: (error: |fatal: )?(unrecognized option|invalid option|option .+ an argument"
    r"|option .+ is ambiguous|Invalid --\S+ specification|Invalid numeric value"
    r"|.*only permitted by root)",
    re.MULTILINE,
)
# sbatch --test-only prints this before the reason.
WOULD_REFUSE = "allocation failure:"
# Limits on the number of jobs that a user may have in the queue: there is room again later.
SUBMIT_LIMIT = re.compile(r"\b(QOS|Assoc)\w*Submit\w*Limit\w*")
# Any other limit, including one that other jobs use up at present.
POLICY = "accounting/QOS policy"
NO_SUCH_ARRAY = "Invalid job array specification"
# The controller did not answer, or its answer was lost: Slurm may or may not have the job.
UNCERTAIN = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Unexpected message received",
    "Unexpected missing socket error",
    "Connection refused",
    "Connection timed out",
    "Connection reset",
    "Transport endpoint is not connected",
    "Slurm temporarily unable to accept job",
    "Slurm controller not responding",
    "Resource temporarily unavailable",
    "Communication connection failure",
    "Address already in use",
    "Munge encode failed",
    "Invalid authentication credential",
    "Protocol authentication error",
    "in standby mode",
)
# The cluster that was named is not known, or cannot be reached.
NO_SUCH_CLUSTER = ("invalid entry for --cluster",)
# The command asked no controller: it knows none on this machine.
NOT_CONFIGURED = ("Could not establish a configuration source", "Unable to process configuration")
NO_SUCH_JOB = ("Invalid job id specified", "Invalid job array specified")
_ERROR = re.compile(r"^(\w+: (error|fatal): |allocation failure: )")
NO_ACCOUNTING = ("accounting storage is disabled", "not running a supported accounting_storage")


def shortened(lines: Sequence[str]) -> list[str]:
    """The first and last of many lines, long lines shortened; marks show where something is cut."""
    cut = [each if len(each) <= LONGEST_LINE else f"{each[:LONGEST_LINE]} ..." for each in lines]
    if len(cut) <= 2 * SHOWN_AT_AN_END:
        return cut
    left_out = f"[{len(cut) - 2 * SHOWN_AT_AN_END} more lines]"
    return [*cut[:SHOWN_AT_AN_END], left_out, *cut[-SHOWN_AT_AN_END:]]


def telling(lines: Sequence[str]) -> list[str]:
    """Of many lines, only the errors of Slurm; the site's own rules print theirs as such errors.

    A site's wrapper may print a page around the errors, or a page without any. If the lines are
    few, or none of them is an error, the result is `shortened(lines)`.
    """
    errors = [each for each in lines if _ERROR.match(each)]
    others = len(lines) - len(errors)
    if not errors or len(lines) <= 2 * SHOWN_AT_AN_END:
        return shortened(lines)
    return [*shortened(errors), *([f"[{others} other lines]"] if others else [])]


def is_silent(words: str) -> bool:
    """Whether Slurm's words mean that its controller did not answer."""
    return any(phrase in words for phrase in UNCERTAIN)


def knows_no_cluster(words: str) -> bool:
    """Whether Slurm's words mean that it is installed here but not configured."""
    return any(phrase in words for phrase in NOT_CONFIGURED)
