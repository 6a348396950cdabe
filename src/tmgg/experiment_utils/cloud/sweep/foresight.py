"""What is known of a sweep before anything of it is written or submitted."""

from collections.abc import Callable, Collection, Sequence

from tmgg.experiment_utils.cloud.backend import Backend, SiteCritic
from tmgg.experiment_utils.cloud.runs import SweepMode

Existing = Callable[[Sequence[str]], Collection[str]]


class Foresight:
    """It asks one backend, and knows nothing where that is no `SiteCritic`."""

    def __init__(self, backend: Backend, existing: Existing) -> None:
        """`existing` says which of several runs are on record."""
        self._critic = backend if isinstance(backend, SiteCritic) else None
        self._existing = existing
        self._not_refused: tuple[frozenset[str], SweepMode, str | None] | None = None
        """The sweep that was last looked at."""
        self._fits: tuple[SweepMode, str | None] | None = None
        """What is not refused, whatever runs there are."""
        self._fits_one: tuple[SweepMode, str | None] | None = None
        """What is not refused as a single run."""

    def refuse_at_once(self, mode: SweepMode, *, gpu_type: str | None, has_several: bool) -> None:
        """As `refuse_early`, before anybody knows which runs there will be.

        For a sweep that composes its runs first: that may take longer than all the rest.
        `has_several` says that there will be more than one. What runs that are packed ask for
        depends on their number, so for them nobody is asked yet.
        """
        if self._critic is None or mode == "packed":
            return
        self._critic.refuse_early(2 if has_several else 1, mode, gpu_type=gpu_type)
        self._fits_one = (mode, gpu_type)
        self._fits = self._fits_one if has_several else None

    def refuse_early(
        self, run_ids: Sequence[str], mode: SweepMode, *, gpu_type: str | None, resume: bool
    ) -> None:
        """Raise RefusedError where the backend would certainly refuse every run of the sweep.

        Asked again for the same sweep, it asks nobody.
        """
        asked = (frozenset(run_ids), mode, gpu_type)
        if self._critic is None or not run_ids or asked == self._not_refused:
            return
        if (self._fits if len(run_ids) > 1 else self._fits_one) == (mode, gpu_type):
            return
        # What is on record may have ended well; then nothing of the options matters.
        if not resume or set(run_ids) - set(self._existing(run_ids)):
            self._critic.refuse_early(len(run_ids), mode, gpu_type=gpu_type)
        self._not_refused = asked

    def usage(self, runs: int, mode: SweepMode) -> str:
        """What the runs may use at most, in a line; empty where nobody counts."""
        return "" if self._critic is None else self._critic.usage(runs, mode)

    def idle_nodes(self, imports: frozenset[str], mode: SweepMode) -> str:
        """What is likely to be left unused by a program that imports these; empty for nothing."""
        return "" if self._critic is None else self._critic.idle_nodes(imports, mode)
