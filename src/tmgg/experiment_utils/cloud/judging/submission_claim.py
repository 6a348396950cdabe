"""What is on record of a submission's job, for comparing it with what the backend says."""

from tmgg.errors import RecordError
from tmgg.experiment_utils.cloud.judging.job_identity import Claim
from tmgg.experiment_utils.run_folder.records import as_time
from tmgg.experiment_utils.run_folder.registry import parse_intent
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def read_claim(files: SubmissionFiles) -> Claim | None:
    """The claim of the submission, or of its batch; None if there is no sound intent.

    Raises OSError if the files cannot be read: then it is not known whose job it is.
    """
    folder = files.submitted
    if folder is None:
        return None
    try:
        intent = parse_intent(files.intent, what=str(folder.intent))
    except RecordError:
        return None
    note = read_sound(folder.job) or {}
    return Claim(
        token=intent.token,
        user_id=intent.user_id,
        not_before=intent.created_at,
        not_after=as_time(note.get("submitted_at")) if note.get("job_id") else None,
        cluster=text_in(note, "cluster") or intent.cluster,
        script=str(folder.script),
        log=str(files.paths.run_paths.stdout if folder is files.paths else folder.folder),
    )
