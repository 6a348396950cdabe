"""A job that claimed its submission by a name that its backend does not know.

A job gets the backend's id and claims its submission with it (`supervisor/entry.py`). A job may
also claim under another name, for example as a process. It may still run although the backend does
not know that name. TMGG then asks the backend about the backend's own id of the job first.
"""

from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.polling import ask
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def id_if_claimed_otherwise(files: SubmissionFiles, view: JobView | None) -> str | None:
    """The backend's own id of a job that claimed its submission under another name.

    `view` is the backend's answer about that name. None if there is no other id to ask about.
    Raises OSError.
    """
    if view is None or view.phase not in ("ended", "unknown") or view.identity is not None:
        return None  # a view with an identity is about this submission's own job
    if files.owner is None:
        return None
    noted = text_in(read_sound(files.paths.job) or {}, "job_id")
    return None if noted == files.owner else noted


def view_by_id(backend: Backend, files: SubmissionFiles, job_id: str) -> JobView | None:
    """The backend's answer about one job; None if the backend did not answer."""
    view = ask(backend.view_jobs, [job_id], source=backend.traits.name)[job_id]
    return None if view is None else backend.refine(files.paths, job_id, view)


def is_no_help(view: JobView | None) -> bool:
    """Whether the answer about the backend's own id adds nothing to the first answer."""
    if view is None or view.phase not in ("ended", "unknown"):
        return False
    # A submission may have two jobs. The end of the one that did not claim it proves nothing.
    return view.phase == "unknown" or view.identity is not None
