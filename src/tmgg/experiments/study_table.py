"""The metrics of a study as Markdown. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmgg.report.students_t import quantile_95

Study = dict[str, dict[int, dict[str, float]]]
"""Metrics by model and seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The names of the numbers that a table shows."""

    graphs: str
    """The name of the set of graphs."""
    called: str
    loss: str
    edge_error: str
    gap_closed: str
    edge_only: str
    block_oracle: str
    standard_error: str | None = None


_TESTED = Measured(
    graphs="test set",
    called="test loss",
    loss="test_loss",
    edge_error="test_edge_error",
    gap_closed="block_oracle_gap_closed",
    edge_only="edge_only_test_loss",
    block_oracle="block_oracle_test_loss",
    standard_error="block_oracle_gap_closed_se",
)
_VALIDATED = Measured(
    graphs="validation set",
    called="validation loss",
    loss="val_loss",
    edge_error="edge_error",
    gap_closed="gap_closed",
    edge_only="edge_only_loss",
    block_oracle="oracle_loss",
)


def measured_in(study: Study) -> Measured:
    """The names of numbers on the test set, or on the validation set if a stage has no test set."""
    return _TESTED if _TESTED.loss in _any(study) else _VALIDATED


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval, which is NaN if there is only one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, quantile_95(len(values)) * statistics.stdev(values) / math.sqrt(len(values))


def cells_of(study: Study) -> list[str]:
    """Names of the shifts, in order."""
    ends = "_edge_only_loss"
    names = _any(study)
    return [
        name.removeprefix("shift_").removesuffix(ends)
        for name in names
        if name.startswith("shift_") and name.endswith(ends)
    ]


def values_of(study: Study, model: str, metric: str) -> list[float]:
    """The metric of each seed that has it."""
    return [metrics[metric] for metrics in study[model].values() if metric in metrics]


def render_table(study: Study) -> str:
    """A table of the stage's own test set, and one of the shifts if there are any."""
    parts = [_render_models(study)]
    if cells_of(study):
        parts.append(_render_shifts(study))
    parts.append(
        "Gap closed is of the block oracle's gap: mean over seeds, ± half the 95 % interval over "
        "seeds (Student's t), and se, the standard error over test graphs of one seed.\n"
    )
    return "\n".join(parts)


def _render_models(study: Study) -> str:
    first, named = _any(study), measured_in(study)
    se_header = ["se"] if named.standard_error else []
    rows = [["predictor", named.called, "edge error", "gap closed", *se_header]]
    rows[0] += ["seeds", "training", "weights"]
    rows.append(["edge-only", f"{first[named.edge_only]:.4f}", "", "0"])
    for model, seeds in study.items():
        seconds = values_of(study, model, "train_seconds")
        errors = values_of(study, model, named.standard_error) if named.standard_error else []
        rows.append(
            [
                f"`{model}`",
                _mean(study, model, named.loss, 4),
                _mean(study, model, named.edge_error, 4),
                _mean(study, model, named.gap_closed, 3),
                *([f"{max(errors):.3f}"] if errors else []),
                ", ".join(map(str, seeds)),
                " to ".join(sorted({f"{edge(seconds):.0f}" for edge in (min, max)}, key=int))
                + " s",
                f"{values_of(study, model, 'parameters')[0]:.0f}",
            ]
        )
    if first.get("bayes_is_known"):
        low, high = first["bayes_test_loss_low"], first["bayes_test_loss_high"]
        gap = first["edge_only_test_loss"] - first["block_oracle_test_loss"]
        closed = [(first["edge_only_test_loss"] - loss) / gap for loss in (high, low)]
        rows.append(
            ["the optimum", f"{low:.4f} to {high:.4f}", "", f"{closed[0]:.3f} to {closed[1]:.3f}"]
        )
    rows.append(["block oracle", f"{first[named.block_oracle]:.4f}", "", "1"])
    return _markdown(rows)


def _render_shifts(study: Study) -> str:
    first = _any(study)
    rows = [["shift", "edge-only", "block oracle", "optimum closes", *(f"`{m}`" for m in study)]]
    for cell in cells_of(study):
        prefix = f"shift_{cell}_"
        has_gap = f"{prefix}gap_closed" in first
        metric = f"{prefix}gap_closed" if has_gap else f"{prefix}excess"
        ends = [first.get(f"{prefix}optimum_gap_closed_{side}") for side in ("low", "high")]
        rows.append(
            [
                cell,
                f"{first[f'{prefix}edge_only_loss']:.4f}",
                f"{first[f'{prefix}block_oracle_loss']:.4f}",
                " to ".join(f"{end:.2f}" for end in ends if end is not None) or "",
                *(_mean(study, model, metric, 2 if has_gap else 4) for model in study),
            ]
        )
    note = "Numbers are the gap closed; in rows without a gap, the loss beyond edge-only.\n"
    return f"{_markdown(rows)}\n{note}"


def _mean(study: Study, model: str, metric: str, digits: int) -> str:
    mean, half = interval(values_of(study, model, metric))
    if math.isnan(half):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def _any(study: Study) -> Mapping[str, float]:
    """The metrics of any one training: references are the same for every model and seed."""
    return next(metrics for seeds in study.values() for metrics in seeds.values())


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    width = len(rows[0])
    lines = [" | ".join([*row, *[""] * (width - len(row))]) for row in rows]
    lines.insert(1, "|".join(["---"] * width))
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)
