"""A job that claimed its submission by a name that its backend does not know.

The job of a backend gets its id and claims with it (`supervisor/entry.py`). One that claims
otherwise, as a process for example, goes on although nobody knows a job of that name: the backend
is then asked about the id that it gave itself, before anything is concluded.
"""

from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.polling import ask
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def id_if_claimed_otherwise(files: SubmissionFiles, view: JobView | None) -> str | None:
    """The backend's own id of a job that it seems not to have, where another name claimed it.

    `view` is its word on that name. None where there is nothing more to ask. Raises OSError.
    """
    if view is None or view.phase not in ("ended", "unknown") or view.identity is not None:
        return None  # a view with an identity is of this very submission's job
    if files.owner is None:
        return None
    noted = text_in(read_sound(files.paths.job) or {}, "job_id")
    return None if noted == files.owner else noted


def view_by_id(backend: Backend, files: SubmissionFiles, job_id: str) -> JobView | None:
    """The backend's word on one job; None where it did not answer."""
    view = ask(backend.view_jobs, [job_id], source=backend.traits.name)[job_id]
    return None if view is None else backend.refine(files.paths, job_id, view)


def is_no_help(view: JobView | None) -> bool:
    """Whether the answer about that id leaves the first one as it is."""
    if view is None or view.phase not in ("ended", "unknown"):
        return False
    # Of two jobs of one submission, the one that did not claim it says nothing by its end.
    return view.phase == "unknown" or view.identity is not None
