"""What the backend can tell about a sweep before anything is written or submitted."""

from collections.abc import Callable, Collection, Sequence

from tmgg.experiment_utils.cloud.backend import Backend, SiteCritic
from tmgg.experiment_utils.cloud.runs import SweepMode

Existing = Callable[[Sequence[str]], Collection[str]]


class Foresight:
    """Asks one backend. If that is not a `SiteCritic`, it refuses nothing and tells nothing."""

    def __init__(self, backend: Backend, existing: Existing) -> None:
        """`existing` returns which of the given runs are on record."""
        self._critic = backend if isinstance(backend, SiteCritic) else None
        self._existing = existing
        self._not_refused: tuple[frozenset[str], SweepMode, str | None] | None = None
        """The last sweep that was not refused: its runs, mode and GPU type."""
        self._fits: tuple[SweepMode, str | None] | None = None
        """A mode and GPU type that is not refused for any number of runs."""
        self._fits_one: tuple[SweepMode, str | None] | None = None
        """A mode and GPU type that is not refused for a single run."""

    def refuse_at_once(self, mode: SweepMode, *, gpu_type: str | None, has_several: bool) -> None:
        """As `refuse_early`, but before the runs are known.

        Composing the runs of a sweep may take long, so a sweep that cannot run is refused before.
        `has_several` says that there will be more than one run. What packed runs ask for depends on
        their number, so for them the backend is not asked yet.
        """
        if self._critic is None or mode == "packed":
            return
        self._critic.refuse_early(2 if has_several else 1, mode, gpu_type=gpu_type)
        self._fits_one = (mode, gpu_type)
        self._fits = self._fits_one if has_several else None

    def refuse_early(
        self, run_ids: Sequence[str], mode: SweepMode, *, gpu_type: str | None, resume: bool
    ) -> None:
        """Raise RefusedError if the backend would certainly refuse every run of the sweep.

        The backend is asked only once for the same sweep.
        """
        asked = (frozenset(run_ids), mode, gpu_type)
        if self._critic is None or not run_ids or asked == self._not_refused:
            return
        if (self._fits if len(run_ids) > 1 else self._fits_one) == (mode, gpu_type):
            return
        # If all runs are on record, they may have completed; then the options do not matter.
        if not resume or set(run_ids) - set(self._existing(run_ids)):
            self._critic.refuse_early(len(run_ids), mode, gpu_type=gpu_type)
        self._not_refused = asked

    def usage(self, runs: int, mode: SweepMode) -> str:
        """One line with the most that the runs may use; empty if usage is not counted."""
        return "" if self._critic is None else self._critic.usage(runs, mode)

    def idle_nodes(self, imports: frozenset[str], mode: SweepMode) -> str:
        """A line about nodes that a program with these imports would not use; empty if none."""
        return "" if self._critic is None else self._critic.idle_nodes(imports, mode)
