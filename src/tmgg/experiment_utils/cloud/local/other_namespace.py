"""Runs in another PID namespace of this machine, as in a container with the same hostname.

Process ids of another namespace have no meaning here. So a process that is not found in this
namespace may still run in the other one.
"""

import contextlib

from tmgg.errors import RecordError
from tmgg.experiment_utils.cloud.backend import Whereabouts
from tmgg.experiment_utils.cloud.judging.other_host import has_ended
from tmgg.experiment_utils.files.process_names import is_of_another_namespace
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.sound_records import text_in
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

_ELSEWHERE = (
    "it was started in another PID namespace of this machine (in a container, or outside of this "
    "one), and its processes cannot be seen from here. Look from there"
)


def seen_across_namespaces(submission: SubmissionPaths) -> Whereabouts:
    """Whether the submission's process is in this PID namespace.

    A process that has ended counts as being here (see `other_host`).
    """
    with contextlib.suppress(OSError, RecordError):
        scope = text_in(SubmissionFiles(submission).intent, "scope") or ""
        if is_of_another_namespace(scope) and not has_ended(submission):
            return Whereabouts(is_surely_here=False, elsewhere=_ELSEWHERE)
    return Whereabouts()
