"""Results of runs as the rows of a sweep's table."""

from collections.abc import Mapping, Sequence

from tmgg.cli.selection import members_of
from tmgg.console.run_names import names_of_runs
from tmgg.console.sweep_summary import SweepRow
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.paths import RunPaths


def rows_of(
    runs: Sequence[KnownRun], results: Mapping[RunPaths, ExperimentResult]
) -> list[SweepRow]:
    """Rows for the runs that have a result, numbered by their place among all runs."""
    members = members_of(runs)
    names = names_of_runs([run.paths for run in runs])
    return [
        SweepRow(
            number=number,
            title=members[run.paths].title if run.paths in members else "",
            result=results[run.paths],
            name=names[run.paths],
            as_written=members[run.paths].as_written if run.paths in members else {},
        )
        for number, run in enumerate(runs)
        if run.paths in results
    ]
