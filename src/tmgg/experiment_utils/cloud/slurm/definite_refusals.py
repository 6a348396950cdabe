"""Which refusals of `sbatch --test-only` will not pass by themselves. Pure.

The words are the same in Slurm 22.05.8, 24.11.5 and 26.05.5; with each of DEFINITE the real sbatch
refused the job as well. What is not listed may pass, or is not known: then only the real sbatch
can tell.
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
# What Slurm says of a request that does not fit its partition. It says some of them of other
# things, too, so they are definite only where the partition's settings say the same.
OF_PARTITIONS = (
    "Access/permission denied",
    "Node count specification invalid",
    "Requested partition configuration not available now",
    "User's group not permitted to use this partition",
)
# Also said of nodes that would do but are down or drained; sbatch itself takes that job, and it
# waits. So it is definite only where no node there is, in whatever state, has what is asked for.
UP_TO_NODES = "Requested node configuration is not available"
# The code of a refusal by the site's own rules (job_submit.lua), whose words stand before it.
NO_CODE = "Unspecified error"

_ERROR = re.compile(r"^sbatch: error: (?P<words>.*)$", re.MULTILINE)
_CODE = re.compile(rf"{re.escape(WOULD_REFUSE)}\s*(?P<words>.*)")
# Rules of a site may look at the hour, too, or at what else the user has in the queue.
_MAY_PASS = re.compile(
    r"\b(down|drain\w*|busy|maintenance|later|again|temporar\w*|current\w*|at present|quota"
    r"|budget|balance|reached|exceeded|too many jobs|unavailable|not available)\b",
    re.IGNORECASE,
)


def is_definite(said: str) -> bool:
    """Whether a failed `sbatch --test-only` that said so refuses until somebody changes something.

    That is the request, or the site.
    """
    own = _own_words(said)
    if _may_pass(said):
        return False
    code = _CODE.search(said)
    if code is None:  # it asked nobody
        return USAGE.search(said) is not None or any(_is_listed(words) for words in own)
    if code["words"].strip() == NO_CODE:
        return any(own)
    return _is_listed(code["words"])


def confirms_doubts(said: str) -> bool:
    """Whether it refuses what does not fit the settings of its partition, and not for the moment.

    While a limit on the user's jobs is reached, Slurm's words are about that limit.
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
    """What stands before the code: the words of the site's rules, or of sbatch."""
    return [found["words"].strip() for found in _ERROR.finditer(said)]


def _may_pass(said: str) -> bool:
    return is_silent(said) or any(_MAY_PASS.search(words) for words in _own_words(said))


def _is_listed(words: str) -> bool:
    return words.strip().startswith(DEFINITE)
