"""Which jobs of `slurm_dependency` a submission still has to name.

The runs of a sweep, and their retries, may be submitted hours apart. Slurm forgets a job some
minutes after its end (MinJobAge). From release 23.02 on, Slurm refuses afterok and afternotok of a
job that it has forgotten; earlier releases count them as met, however the job ended.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import BackendError, RefusedError
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.job_ids import base_of
from tmgg.experiment_utils.cloud.slurm.request.dependency import (
    JobEnd,
    needed_of,
    outcome_jobs,
    without_outcomes,
)
from tmgg.experiment_utils.cloud.slurm.states import meaning_of, parse_state
from tmgg.experiment_utils.run_folder.ownership import read_owner
from tmgg.experiment_utils.run_folder.paths import JobFolder

log = logging.getLogger(__name__)

# The first runs of a sweep are submitted within seconds; they share one question to Slurm.
ASK_AGAIN_S = 30.0
# At most this many submissions are checked for proof that a dependency was met.
MOST_PROOFS = 8


class Dependencies:
    """The dependencies of one backend. One that was met stays met, and is not asked about again."""

    def __init__(self, client: SlurmClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._waiting: dict[Path, str] = {}
        """By folder: the dependency of the submission that is to be made from it."""
        self._sent: dict[str, list[JobFolder]] = {}
        """By dependency: the latest submissions with it."""
        self._needed: dict[str, str | None] = {}
        """By dependency: what is left of it, if it depends on the outcome of no job any more."""
        self._asked: dict[str, tuple[float, str | None]] = {}
        """By dependency: when Slurm was asked, and what was left of it then."""
        self._hopeless: dict[str, RefusedError] = {}

    def apply(
        self, config: SlurmConfig, folder: JobFolder, earlier: Iterable[JobFolder] = ()
    ) -> SlurmConfig:
        """The config for the submission in `folder`, without the dependencies that are met.

        `earlier` are submissions with the same dependency: if one began, the dependency was met.
        """
        asked = config.dependency
        if asked is None or not outcome_jobs(asked):
            return config
        self._waiting[folder.folder] = asked
        try:
            needed = self._look(asked, earlier)
        except RefusedError as error:
            self._hopeless[asked] = error
            return config
        if needed is None or not outcome_jobs(needed):
            self._needed[asked] = needed
        if needed != asked:
            log.info("slurm_dependency=%s: %s is left of it", asked, needed or "nothing")
        return replace(config, dependency=needed)

    def refuse_hopeless(self, folder: JobFolder) -> None:
        """Raises RefusedError if the dependency of the submission in `folder` can never be met."""
        error = self._hopeless.get(self._waiting.get(folder.folder, ""))
        if error is not None:
            raise RefusedError(str(error))

    def note_sent(self, folder: JobFolder) -> None:
        """Note that the submission in `folder` was made."""
        asked = self._waiting.pop(folder.folder, None)
        if asked is not None:
            sent = self._sent.setdefault(asked, [])
            sent[:] = [folder, *sent[: MOST_PROOFS - 1]]

    def _look(self, asked: str, earlier: Iterable[JobFolder]) -> str | None:
        if asked in self._hopeless:
            raise self._hopeless[asked]
        if asked in self._needed:
            return self._needed[asked]
        if any(_has_begun(each) for each in [*self._sent.get(asked, []), *earlier]):
            return without_outcomes(asked)
        now = self._clock.monotonic()
        at, needed = self._asked.get(asked, (float("-inf"), None))
        if now - at >= ASK_AGAIN_S:
            needed = needed_of(asked, self._ends(outcome_jobs(asked)))
            self._asked[asked] = (now, needed)
        return needed

    def _ends(self, jobs: Sequence[str]) -> dict[str, JobEnd]:
        """How these jobs ended. A job that has not ended, or is not known, is left out."""
        try:
            queue = {name: entry.state for name, entry in self._client.queue(jobs).items()}
        except BackendError as error:
            return _not_known(error)
        # An array that the controller still knows in part is left out, so that Slurm itself checks
        # it: the controller may have forgotten the other elements.
        known = {job: _states_of(job, queue) for job in jobs}
        found = {job: [queue[job]] for job in jobs if job in queue and len(known[job]) == 1}
        forgotten = [job for job in jobs if not known[job]]
        try:
            accounts = self._client.accounting(forgotten) if forgotten else {}
        except BackendError as error:
            return _ends_of(found) | _not_known(error)
        states = {name: entry.state for name, entry in accounts.items()}
        return _ends_of(found | {job: _states_of(job, states) for job in forgotten})


def _not_known(error: BackendError) -> dict[str, JobEnd]:
    log.info("how the jobs of slurm_dependency ended is not known: %s", error)
    return {}


def _ends_of(states: Mapping[str, Sequence[str]]) -> dict[str, JobEnd]:
    ends = {job: _end_of(each) for job, each in states.items()}
    return {job: end for job, end in ends.items() if end is not None}


def _states_of(job: str, by_name: Mapping[str, str]) -> list[str]:
    """The state of the job; for an array, the state of each element."""
    if "_" in job:
        return [by_name[job]] if job in by_name else []
    return [state for name, state in by_name.items() if base_of(name) == job]


def _end_of(states: Sequence[str]) -> JobEnd | None:
    if not states or any(meaning_of(state).phase != "ended" for state in states):
        return None
    failed = [parse_state(state) for state in states if parse_state(state) != "COMPLETED"]
    return JobEnd(failed[0] if failed else "COMPLETED")


def _has_begun(folder: JobFolder) -> bool:
    try:
        return read_owner(folder) is not None
    except OSError:
        return False
