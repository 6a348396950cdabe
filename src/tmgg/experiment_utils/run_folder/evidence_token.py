"""Whose evidence something is: the token of the submission that it belongs to.

A submission's token is made when it is written down (`intent.json`; for a run of a batch, the
batch's). Its job puts the token into the exit record, the result and the result line. Files of an
earlier run of the same name, and a job of such a run that still writes, carry another one.

Evidence without a token counts only where the intent says that the job writes none: it was written
before there were tokens, or the job script is a site's own.
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

    Raises RecordError when the intent cannot be read: then nobody can tell.
    """
    return is_of_intent(intent_of(paths), found)


def is_of_intent(intent: JsonDict, found: str | None) -> bool:
    """Whether evidence with this token is of the submission that the intent announced. Pure."""
    if found is None:
        return intent.get("evidence_has_token") is not True
    return found == intent.get("token")


def token_to_leave(paths: SubmissionPaths | BatchPaths) -> str | None:
    """What a job writes into its evidence; None where there is no intent to take it from.

    The environment counts more than the folder, which may be a later run's by now.
    """
    return os.environ.get(TOKEN_VARIABLE) or read_token(paths)


def read_token(paths: SubmissionPaths | BatchPaths) -> str | None:
    """The token of the submission whose files are there now; None where none can be read."""
    try:
        return expect_token(paths)
    except OSError:
        return None


def expect_token(paths: SubmissionPaths | BatchPaths) -> str | None:
    """As `read_token`, but raises OSError when nobody could look."""
    try:
        token = intent_of(paths).get("token")
    except RecordError:
        return None
    return token if isinstance(token, str) else None


def is_anothers(paths: SubmissionPaths | BatchPaths) -> bool:
    """Whether the folder is a later submission's than the one this process was started for."""
    mine, there = os.environ.get(TOKEN_VARIABLE), read_token(paths)
    return mine is not None and there is not None and mine != there


def intent_of(paths: SubmissionPaths | BatchPaths) -> JsonDict:
    """The content of the intent; empty for a record that has none."""
    folder: JobFolder = paths
    value = read_json(folder.intent)
    if value is None and isinstance(paths, SubmissionPaths):
        member = find_member(paths)
        value = None if member is None else read_json(member.batch.intent)
    return value or {}
