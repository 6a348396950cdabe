"""The token that marks to which submission a piece of evidence belongs.

A submission's token is made with its intent (`intent.json`; for a run of a batch, the batch's). Its
job puts the token into the exit record, the result and the result line. Files of an earlier run of
the same name have another token, also if a job of that run still writes them.

Evidence without a token counts only if the intent says that the job writes none: the intent is from
a TMGG without tokens, or the site has a job script of its own.
"""

import os

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.job.job_environment import TOKEN_VARIABLE
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.paths import BatchPaths, JobFolder, SubmissionPaths


def carries_token(paths: SubmissionPaths | BatchPaths, found: str | None) -> bool:
    """Whether evidence with this token is of this submission.

    Raises RecordError when the intent is damaged, so that this is not known.
    """
    return is_of_intent(intent_of(paths), found)


def is_of_intent(intent: JsonDict, found: str | None) -> bool:
    """Whether evidence with this token is of the submission that the intent announced. Pure."""
    if found is None:
        return intent.get("evidence_has_token") is not True
    return found == intent.get("token")


def token_to_leave(paths: SubmissionPaths | BatchPaths) -> str | None:
    """The token that a job writes into its evidence; None if there is none.

    The environment comes before the folder, which may be a later run's by now.
    """
    return os.environ.get(TOKEN_VARIABLE) or read_token(paths)


def read_token(paths: SubmissionPaths | BatchPaths) -> str | None:
    """The token of the submission whose files are there now; None if it cannot be read."""
    try:
        return expect_token(paths)
    except OSError:
        return None


def expect_token(paths: SubmissionPaths | BatchPaths) -> str | None:
    """As `read_token`, but raises OSError when the file system does not answer."""
    try:
        token = intent_of(paths).get("token")
    except RecordError:
        return None
    return token if isinstance(token, str) else None


def is_anothers(paths: SubmissionPaths | BatchPaths) -> bool:
    """Whether the folder is of another submission than the one this process was started for."""
    mine, there = os.environ.get(TOKEN_VARIABLE), read_token(paths)
    return mine is not None and there is not None and mine != there


def intent_of(paths: SubmissionPaths | BatchPaths) -> JsonDict:
    """The content of the intent, its own or its batch's; empty if there is none."""
    folder: JobFolder = paths
    value = read_json(folder.intent)
    if value is None and isinstance(paths, SubmissionPaths):
        member = find_member(paths)
        value = None if member is None else read_json(member.batch.intent)
    return value or {}
