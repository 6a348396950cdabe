"""The status of several runs of a sweep, for `show`, `explain` and `logs`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from tmgg.cli.known_sweeps import KnownSweep, find_sweep
from tmgg.cli.meanings import Meaning
from tmgg.cli.run_json import REMOVED, shown_status_of, status_of, to_json
from tmgg.cli.selection import titles_of
from tmgg.console.causes import Cause, group_by_cause, render_causes
from tmgg.console.overrides import in_short
from tmgg.console.visible import visible_line
from tmgg.console.words import width_of_terminal
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun, read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.slurm.site.reasons import at_cluster, explain_reason

PROBLEMS_SHOWN = 4
LINES_OF_A_MESSAGE = 10


@dataclass(frozen=True)
class SweepView:
    """The runs that were meant, and how each stands."""

    meaning: Meaning
    runs: list[KnownRun]
    found: list[Found]

    @cached_property
    def states(self) -> list[RunState]:
        """The states of the runs whose records can be used."""
        return [state for state in self.found if isinstance(state, RunState)]

    @cached_property
    def sweep(self) -> KnownSweep | None:
        """The sweep with its record; None for runs without a sweep, or if it cannot be read."""
        return None if self.meaning.sweep is None else find_sweep(self.meaning.sweep)

    @cached_property
    def titles(self) -> dict[str, str]:
        """The title of each run, by run id."""
        return {paths.run_id: title for paths, title in titles_of(self.runs).items()}

    @cached_property
    def names(self) -> dict[str, str]:
        """For each run id a text for one line: the id, and what distinguishes the run."""
        titles = in_short(self.titles)
        return {
            run.run_id: f"{run.run_id}  {visible_line(titles.get(run.run_id, ''))}".rstrip()
            for run in self.runs
        }

    def render_causes(self, *, with_messages: bool = False) -> str:
        """A paragraph for each cause of failures, with the whole first message if asked for."""
        return render_causes(
            self.causes,
            [self.names[state.run_id] for state in self.states],
            width=width_of_terminal(),
            evidence=self._rest_of_message if with_messages else lambda _place: (),
        )

    def _rest_of_message(self, place: int) -> list[str]:
        why = self.states[place].failure
        lines = why.message.splitlines()[1:] if why is not None else []
        more = len(lines) - LINES_OF_A_MESSAGE
        # The evidence is at the end of a message, so its last lines are kept.
        return ["...", *lines[more:]] if more > 0 else lines

    @cached_property
    def counts(self) -> Counter[str]:
        counted = Counter(status_of(found) for found in self.found)
        return counted + Counter({REMOVED: len(self.meaning.removed)})

    @property
    def total(self) -> int:
        """The number of runs, with those that are not on record any more."""
        return len(self.runs) + len(self.meaning.removed)

    def problems(self) -> list[str]:
        """Messages about runs whose records cannot be used."""
        errors = [str(found) for found in self.found if isinstance(found, RunError)]
        more = len(errors) - PROBLEMS_SHOWN
        return errors[:PROBLEMS_SHOWN] + [f"and of {more} more runs (--json)"] * (more > 0)

    @cached_property
    def causes(self) -> list[Cause]:
        return group_by_cause(self.states)

    def summary(self) -> str:
        """One line. Pending runs that are not submitted yet are counted separately."""
        name = self.meaning.sweep.sweep_id if self.meaning.sweep else ""
        label = self.sweep.record.name if self.sweep else ""
        called = f" ({visible_line(label)})" if label else ""
        shown = Counter(shown_status_of(found) for found in self.found)
        shown += Counter({REMOVED: len(self.meaning.removed)})
        counted = ", ".join(f"{number} {status}" for status, number in shown.most_common())
        return f"sweep {name}{called}: {self.total} runs: {counted}"

    def waiting(self) -> list[dict[str, Any]]:
        """Why pending runs wait, by reason."""
        pending = [state for state in self.states if state.status == "pending" and state.job_id]
        reasons: dict[tuple[str, str | None], list[str]] = {}
        for state in pending:
            why = (state.reason or "None", self._clusters.get(state.run_id))
            reasons.setdefault(why, []).append(state.run_id)
        return [
            {**asdict(at_cluster(explained, cluster)), "runs": run_ids}
            for (reason, cluster), run_ids in reasons.items()
            for explained in explain_reason(reason)
        ]

    @property
    def _clusters(self) -> dict[str, str]:
        """The cluster of each run, by run id, if the record names one."""
        named = {
            run.run_id: run.record.settings.get("clusters")
            for run in self.runs
            if not isinstance(run.record, RunError)
        }
        return {run_id: str(cluster) for run_id, cluster in named.items() if cluster}

    def to_json(self) -> dict[str, Any]:
        """The JSON keys that all commands for a sweep have in common."""
        record = self.sweep.record if self.sweep else None
        return {
            "sweep_id": self.meaning.sweep.sweep_id if self.meaning.sweep else None,
            "name": record.name if record else None,
            "counts": dict(self.counts),
            "causes": [{**asdict(cause.failure), "runs": cause.run_ids} for cause in self.causes],
        }

    def runs_as_json(self) -> list[dict[str, Any]]:
        pairs = zip(self.runs, self.found, strict=True)
        return [
            {**to_json(run, found), "title": self.titles.get(run.run_id, "")}
            for run, found in pairs
        ]


def view_sweep(meaning: Meaning) -> SweepView:
    """Ask about all the runs at once."""
    runs: Sequence[KnownRun] = [read_known_run(paths) for paths in meaning.runs]
    return SweepView(meaning, list(runs), Reattached(runs).poll_all())
