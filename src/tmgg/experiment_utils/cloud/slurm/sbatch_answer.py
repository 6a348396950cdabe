"""What sbatch's answer means: a job, a refusal, or an unknown outcome. Pure."""

from tmgg.errors import RefusedError, SubmissionError, SubmissionUnknownError, SubmitLimitError
from tmgg.experiment_utils.cloud.slurm import parsing
from tmgg.experiment_utils.cloud.slurm.commands import Answer
from tmgg.experiment_utils.cloud.slurm.installed import ELSEWHERE
from tmgg.experiment_utils.cloud.slurm.refusal_words import (
    NO_SUCH_CLUSTER,
    POLICY,
    REFUSED,
    SUBMIT_LIMIT,
    UNCERTAIN,
    USAGE,
    knows_no_cluster,
)


class ControllerSilentError(SubmissionUnknownError):
    """The controller did not answer sbatch in time; trying again may help."""


def parse_job(answer: Answer) -> tuple[str, str | None]:
    """The job's id, and its cluster (None if sbatch named none). Raises as `SlurmClient.submit`."""
    job_id = parsing.parse_submitted(answer.stdout)
    if answer.exit_code == 0 and job_id is not None:
        return job_id, parsing.parse_cluster_of_submitted(answer.stdout)
    raise _no_job(answer, has_id=job_id is not None)


def _no_job(answer: Answer, *, has_id: bool) -> SubmissionError:
    said = f"sbatch ended with {answer.exit_code}: {answer.words or 'it said nothing'}"
    if knows_no_cluster(answer.stderr):
        return SubmissionError(
            "Slurm's commands are installed here, but they find no cluster: "
            f"{answer.words}\n{ELSEWHERE}"
        )
    if _asked_nobody(answer, has_id=has_id):
        return RefusedError(said)
    if any(phrase in answer.stderr for phrase in UNCERTAIN):
        return ControllerSilentError(said)
    if REFUSED in answer.stderr and answer.exit_code > 0:
        if SUBMIT_LIMIT.search(answer.stderr):
            return SubmitLimitError(said)
        return SubmissionError(said) if POLICY in answer.stderr else RefusedError(said)
    return SubmissionUnknownError(said)


def _asked_nobody(answer: Answer, *, has_id: bool) -> bool:
    """Whether sbatch rejected its options, or the cluster's name, without asking a controller."""
    if any(phrase in answer.stderr for phrase in NO_SUCH_CLUSTER):
        return True
    return answer.exit_code > 0 and not has_id and USAGE.search(answer.stderr) is not None
