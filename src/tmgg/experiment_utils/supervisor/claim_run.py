"""The beginning of a run: claims it for this job, and sets aside files of an earlier start.

For a Slurm run that has a job of its own, the job script does the same in bash.
"""

import os
import socket
from dataclasses import dataclass, replace

from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.looking import is_there, look_anew_on_the_way
from tmgg.experiment_utils.job.job_environment import RESTART_VARIABLE, ROOT_VARIABLE
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.exit_record import End, Scope, read_exit_record
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.ownership import claim
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.starts import last_start


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a submission's job."""

    paths: SubmissionPaths
    job_id: str
    restart: int = 0
    """How often the backend had started the job before. For a claimed run: how often the run had
    begun, if that is more."""
    scope: Scope = "job"

    @property
    def environment(self) -> dict[str, str]:
        """The experiment's variables for this start; one is the pid of the calling process."""
        own = {"TMGG_JOB_ID": self.job_id, RESTART_VARIABLE: str(self.restart)}
        return own | {ROOT_VARIABLE: str(os.getpid())}

    def end(
        self,
        code: int,
        *,
        stage: str = "entrypoint",
        received: str = "",
        why: Failure | None = None,
    ) -> End:
        """The end of this start."""
        return End(
            job_id=self.job_id,
            restart=self.restart,
            stage=stage,
            exit_code=code,
            received=received,
            scope=self.scope,
            # For a whole job the host is empty: it is the job's first node.
            host=socket.gethostname() if self.scope == "run" else "",
            failure=why,
        )


def claim_run(start: Start) -> Start | str:
    """Claim the run for this job; return its start, or the reason (text) not to run it.

    Raises OSError when the folder cannot be written.
    """
    paths = start.paths
    look_anew_on_the_way(paths.folder)
    fill_run_folder(paths)
    owner = claim(paths, start.job_id)
    if owner != start.job_id:
        # The owner "nobody" means that the run was cancelled before it began.
        return f"this submission belongs to {owner}"
    if is_there(paths.verdict):
        return "the end of this run was reported before"
    if _has_ended(paths):
        return "this run has ended"
    earlier = last_start(paths)
    return start if earlier is None else replace(start, restart=max(earlier + 1, start.restart))


def _has_ended(paths: SubmissionPaths) -> bool:
    record = read_exit_record(paths)
    if record is None or record.signal:
        return False
    # A job without a result may have died of the problem for which it was restarted.
    return record.scope == "run" or record.entrypoint_exit_code is not None


def begin_start(start: Start) -> None:
    """Set aside files of an earlier start, so that they do not count. Raises OSError."""
    paths = start.paths
    # This tells a process of an earlier start, on a node that lost contact, that it is superseded.
    # It comes first, so that files which that process writes later are known to be too late.
    write_atomic(paths.restart, f"{start.restart}\n".encode())
    paths.missing.unlink(missing_ok=True)  # the job is there again
    if start.restart > 0:
        for left in (paths.phases, paths.result, paths.entrypoint_exit_code):
            if is_there(left):
                left.rename(left.with_name(f"{left.name}.before-restart-{start.restart}"))
        for left in (paths.ended, paths.stop):
            left.unlink(missing_ok=True)
