"""What the figures leave out, in words. Pure."""

from collections.abc import Sequence

from tmgg.console.overrides import short_names, varying
from tmgg.report.curve_files import MOST_BYTES, MOST_ENTRIES
from tmgg.report.curves import MOST_CURVES
from tmgg.report.figures import by_parameter, learning, parallel
from tmgg.report.model import Report, ReportRun
from tmgg.report.statistics import finite, is_seed


def not_drawn(report: Report) -> list[str]:
    """A sentence for each kind of data that the figures do not show."""
    return [*_without_objective(report), *_hyperparameters(report), *_curves(report)]


def not_read(runs: Sequence[ReportRun], incomplete: int) -> list[str]:
    """Sentences about curves that were not read; `incomplete` runs have too many files."""
    found = []
    if large := sum(any(curve.is_sampled for curve in run.curves) for run in runs):
        found.append(
            f"{large} of {len(runs)} runs logged into files of more than {MOST_BYTES >> 20} MiB: "
            "their learning curves show lines from the whole length of these files, not all lines."
        )
    if many := sum(len(run.curves) >= MOST_CURVES for run in runs):
        found.append(
            f"{many} of {len(runs)} runs logged under very many names: {MOST_CURVES} of each were "
            "read."
        )
    if incomplete:
        found.append(
            f"{incomplete} of {len(runs)} runs have very many files: learning curves were looked "
            f"for in {MOST_ENTRIES} files and folders."
        )
    return found


def _without_objective(report: Report) -> list[str]:
    metric = report.ranking.name
    done = [run for run in report.runs if run.status == "completed"]
    missing = sum(finite(run, metric) is None for run in done)
    if not missing:
        return []
    return [
        f"{missing} of {len(done)} runs that completed have no finite {metric}: they are not in "
        "the figures of the objective."
    ]


def _hyperparameters(report: Report) -> list[str]:
    drawn = [run for run in report.runs if finite(run, report.ranking.name) is not None]
    keys = varying([run.overrides for run in drawn]) if len(drawn) > 1 else []
    names = short_names(keys)
    found = [
        f"{names[key]} has {count} values: {by_parameter.MOST_VALUES} are in its figure."
        for key in [key for key in keys if not is_seed(key)][: by_parameter.MOST_FIGURES]
        if (count := len({run.overrides.get(key, "") for run in drawn})) > by_parameter.MOST_VALUES
    ]
    most = min(by_parameter.MOST_FIGURES, parallel.MOST_AXES - 1)
    if len(keys) > most:
        found.append(f"{len(keys)} hyperparameters vary: the figures are of the first {most}.")
    return found


def _curves(report: Report) -> list[str]:
    names = {curve.name for run in report.runs for curve in run.curves}
    if len(names) <= learning.MOST_FIGURES:
        return []
    return [f"Learning curves are of {learning.MOST_FIGURES} of the {len(names)} logged names."]
