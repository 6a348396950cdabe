"""To whom a run belongs: members of a team can read each other's runs, and do nothing else."""

from pathlib import Path

from tmgg.errors import SubmissionError
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import may_write, owner_of
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def other_owner(submission: SubmissionPaths) -> str | None:
    """The other user to whom the run belongs; None if this user may write in its folder."""
    folder = _folder_of(submission)
    return None if folder is None or may_write(folder) else owner_of(folder)


def refuse_anothers(submission: SubmissionPaths) -> None:
    """Raise SubmissionError if the run belongs to another user, who alone can submit it again."""
    owner = other_owner(submission)
    if owner is not None:
        raise SubmissionError(
            f"run {submission.name} is {owner}'s, and only {owner} can submit it again. Ask "
            f"{owner}, or launch it as a run of your own, under a name of its own."
        )


def _folder_of(submission: SubmissionPaths) -> Path | None:
    """The run's folder, or that of the batch in which it waits."""
    folder = submission.run_paths.folder
    if is_there(folder):
        return folder
    member = find_member(submission)
    return None if member is None else member.batch.folder
