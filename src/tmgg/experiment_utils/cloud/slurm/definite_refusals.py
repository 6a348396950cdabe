"""Which refusals of `sbatch --test-only` are definite: they do not pass by themselves. Pure.

The words are the same in Slurm 22.05.8, 24.11.5 and 26.05.5; for each phrase in DEFINITE the real
sbatch refused the job as well. A refusal that is not listed may pass, or its meaning is not known:
then only the real sbatch shows whether Slurm takes the job.
"""

import re

from tmgg.experiment_utils.cloud.slurm.refusal_words import USAGE, WOULD_REFUSE, is_silent

DEFINITE = (
    "Invalid account or account/partition combination specified",
    "Invalid feature specification",
    "Invalid generic resource (gres) specification",
    "Invalid license specification",
    "Invalid node name specified",
    "Invalid partition name specified",
    "Invalid qos specification",
    "More processors requested than permitted",
    "Requested reservation is invalid",
    "Requested time limit is invalid",
)
# Slurm prints these for a request that does not fit its partition, but some of them for other
# causes, too. So they are definite only if the partition's settings show that it does not fit.
OF_PARTITIONS = (
    "Access/permission denied",
    "Node count specification invalid",
    "Requested partition configuration not available now",
    "User's group not permitted to use this partition",
)
# Slurm prints this also if suitable nodes exist but are down or drained; the real sbatch takes such
# a job, which then waits. So it is definite only if too few nodes, in any state, are suitable.
UP_TO_NODES = "Requested node configuration is not available"
# The code if the site's own rules (job_submit.lua) refuse the job; their words come before it.
NO_CODE = "Unspecified error"

_ERROR = re.compile(r"^sbatch: error: (?P<words>.*)$", re.MULTILINE)
_CODE = re.compile(rf"{re.escape(WOULD_REFUSE)}\s*(?P<words>.*)")
# A site's rules may depend on the hour, or on the user's other jobs: such a refusal may pass.
_MAY_PASS = re.compile(
    r"\b(down|drain\w*|busy|maintenance|later|again|temporar\w*|current\w*|at present|quota"
    r"|budget|balance|reached|exceeded|too many jobs|unavailable|not available)\b",
    re.IGNORECASE,
)


def is_definite(said: str) -> bool:
    """Whether Slurm refuses the job until the request or the site changes.

    `said` is what a failed `sbatch --test-only` printed.
    """
    own = _own_words(said)
    if _may_pass(said):
        return False
    code = _CODE.search(said)
    if code is None:  # sbatch did not ask the controller
        return USAGE.search(said) is not None or any(_is_listed(words) for words in own)
    if code["words"].strip() == NO_CODE:
        return any(own)
    return _is_listed(code["words"])


def confirms_doubts(said: str) -> bool:
    """Whether the refusal agrees with doubts about the partition, and does not pass by itself.

    The doubts are from the partition's settings, which the job does not fit. While the user has
    reached a limit on jobs, Slurm names that limit instead.
    """
    code = _CODE.search(said)
    if code is None or _may_pass(said):
        return False
    return code["words"].strip().startswith((*DEFINITE, *OF_PARTITIONS, UP_TO_NODES))


def is_up_to_nodes(said: str) -> bool:
    """Whether the request fits no node, or only nodes that are out at present."""
    code = _CODE.search(said)
    return code is not None and UP_TO_NODES in code["words"]


def _own_words(said: str) -> list[str]:
    """The lines before the code: the words of the site's rules, or of sbatch."""
    return [found["words"].strip() for found in _ERROR.finditer(said)]


def _may_pass(said: str) -> bool:
    return is_silent(said) or any(_MAY_PASS.search(words) for words in _own_words(said))


def _is_listed(words: str) -> bool:
    return words.strip().startswith(DEFINITE)
