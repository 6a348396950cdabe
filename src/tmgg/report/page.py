"""The page: one HTML file. It uses no network; its own header forbids this. Pure."""

import base64
import hashlib
import html
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from tmgg import __version__
from tmgg.console.durations import render_duration, render_time
from tmgg.console.numbers import render_numbers
from tmgg.console.overrides import short_names, varying
from tmgg.console.visible import visible
from tmgg.report import style
from tmgg.report.costs import Costs, add_costs
from tmgg.report.drawing import Figure, escaped, render_value
from tmgg.report.figures import by_parameter, hours, learning, parallel, timeline
from tmgg.report.figures.by_parameter import in_order
from tmgg.report.labels import shortened
from tmgg.report.model import Report, ReportCause, ReportRun
from tmgg.report.not_drawn import not_drawn
from tmgg.report.run_table import render_table

RUNS_NAMED = 8
KEYS_TOLD, VALUES_TOLD = 8, 6
WIDEST_OF_A_TELEPHONE = 620
"""Figures below this width are made smaller on a telephone; wider ones can be scrolled."""
ADVICE_SHOWN = 5


def render_page(report: Report) -> str:
    """The whole file."""
    best = best_run(report)
    css, script = style.page_style(), style.page_script()
    sections = [
        _notes(report),
        _causes(report),
        _section("Objective by hyperparameter", _by_parameter(report)),
        _section("All hyperparameters at once", _parallel(report)),
        _section("Learning curves", _curves(report)),
        _section("Runs", render_table(report, best.run_id if best else None)),
        _section("When each run waited and ran", _timeline(report)),
        _costs(report),
        _advice(report.runs),
    ]
    return _template().substitute(
        title=escaped(report.title),
        subtitle=escaped(_subtitle(report)),
        style=css,
        style_hash=_hash(css),
        script=script,
        script_hash=_hash(script),
        facts=_facts(report, best),
        sections="\n".join(filter(None, sections)),
        version=escaped(__version__),
        made_at=escaped(render_time(report.made_at)),
    )


def figures_of(report: Report) -> list[Figure]:
    """Every figure of the page."""
    drawn = [draw(report) for draw in (
        by_parameter.draw, parallel.draw, learning.draw, timeline.draw, hours.draw,
    )]  # fmt: skip
    return [figure for each in drawn for figure in each]


def best_run(report: Report) -> ReportRun | None:
    """The best completed run; None if no completed run has the objective."""
    ranking = report.ranking
    done = [run for run in report.runs if run.status == "completed"]
    ranked = [run for run in done if ranking.value(run.metrics) is not None]
    return min(ranked, key=lambda run: ranking.key(run.metrics), default=None)


def _subtitle(report: Report) -> str:
    better = "less" if report.ranking.mode == "min" else "more"
    counts = Counter(run.status for run in report.runs)
    counted = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    objective = f"Objective: {report.ranking.name} ({better} is better)."
    return f"{len(report.runs)} runs: {counted}. {objective}{_varied(report)}"


def _varied(report: Report) -> str:
    """What the sweep tried: each hyperparameter with its values."""
    rows = [run.overrides for run in report.runs]
    keys = varying(rows) if len(rows) > 1 and all(rows) else []
    names = short_names(keys)
    tried = [f"{names[key]}: {_values([row.get(key, '-') for row in rows])}" for key in keys]
    more = [f"and {len(tried) - KEYS_TOLD} more"] if len(tried) > KEYS_TOLD else []
    return f" Tried {'; '.join([*tried[:KEYS_TOLD], *more])}." if tried else ""


def _values(values: Sequence[str]) -> str:
    told = in_order(values)
    some = ", ".join(shortened(value) for value in told[:VALUES_TOLD])
    return some if len(told) <= VALUES_TOLD else f"{some}, ... ({len(told)} values)"


def _facts(report: Report, best: ReportRun | None) -> str:
    counts = Counter(run.status for run in report.runs)
    facts = [(str(counts["completed"]), f"of {len(report.runs)} completed", "good")]
    if counts["failed"]:
        kinds = len(report.causes)
        words = f"failed, of {kinds} cause{'' if kinds == 1 else 's'}"
        facts.append((str(counts["failed"]), words, "bad"))
    if best is not None:
        metric = report.ranking.name
        values = [run.metrics.get(metric) for run in report.runs]
        value = render_numbers([best.metrics[metric], *values])[0]
        facts.append((value, f"best {metric}: {_name(best)}", ""))
    facts += _span_fact(report) + _cost_facts(report)
    items = [
        f"<li><b class='{kind}'>{escaped(number)}</b><span>{escaped(words)}</span></li>"
        for number, words, kind in facts
    ]
    return f"<ul class='facts'>{''.join(items)}</ul>"


def _span_fact(report: Report) -> list[tuple[str, str, str]]:
    spans = [span for run in report.runs for span in run.spans]
    if not spans:
        return []
    seconds = max(span.end_s for span in spans) - min(span.begin_s for span in spans)
    is_over = not any(run.status in ("pending", "running") for run in report.runs)
    words = f"from the first submission {'to the last end' if is_over else 'until now'}"
    return [(render_duration(seconds), words, "")]


def _cost_facts(report: Report) -> list[tuple[str, str, str]]:
    costs = add_costs(report.runs, report.allocations)
    if costs is None or not costs.total:
        return []
    share = _percent(costs.wasted / costs.total)
    runs = f" in {costs.began - costs.not_measured} runs" if costs.not_measured else ""
    words = f"{costs.unit}-hours{runs}, {share} of them wasted"
    return [(render_value(costs.total), words, "")]


def _name(run: ReportRun) -> str:
    return run.title or run.run_id


def _notes(report: Report) -> str:
    return "".join(
        f"<p class='faint'>{escaped(note)}</p>" for note in [*report.notes, *not_drawn(report)]
    )


def _causes(report: Report) -> str:
    if not report.causes:
        return ""
    names = {run.run_id: run.title for run in report.runs}
    return _section("Failures", "".join(_cause(cause, names) for cause in report.causes))


def _cause(cause: ReportCause, names: dict[str, str]) -> str:
    first, _, rest = cause.failure.message.partition("\n")
    number = len(cause.run_ids)
    named = [f"{run_id}  {names.get(run_id, '')}" for run_id in cause.run_ids[:RUNS_NAMED]]
    if number > RUNS_NAMED:
        named.append(f"and {number - RUNS_NAMED} more")
    more = f"<pre>{_block(rest)}</pre>" if rest.strip() else ""
    runs = "".join(f"<li>{escaped(each)}</li>" for each in named)
    counted = f"{number} run{'' if number == 1 else 's'}"
    return (
        f"<div class='cause'><h3>{counted}: {escaped(cause.failure.kind)}</h3>"
        f"<p>{escaped(first)}</p>{more}<p><b>What to do:</b> {escaped(cause.failure.hint)}</p>"
        f"<ul>{runs}</ul></div>"
    )


def _block(text: str) -> str:
    """Foreign text of several lines."""
    return html.escape(visible(text), quote=True)


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escaped(title)}</h2>{inside}</section>" if inside else ""


def _figures(figures: Sequence[Figure], kind: str = "") -> str:
    return "".join(f"<figure class='{kind}'>{figure.svg()}</figure>" for figure in figures)


def _explained(words: str, inside: str) -> str:
    return f"<p class='faint'>{escaped(words)}</p>{inside}"


def _by_parameter(report: Report) -> str:
    found = by_parameter.draw(report)
    words = (
        "Each dot is one choice of all hyperparameters: the mean over its seeds, with the interval "
        "in which the mean lies with 95 % (Student's t); a dot without a line is a single run. "
        "Runs without a seed, and runs with the same seed, are dots of their own. The bar "
        "across is the median. Point at a dot to see what it is."
    )
    return (
        f"<p class='faint'>{words}</p><div class='figures'>{_figures(found)}</div>" if found else ""
    )


def _parallel(report: Report) -> str:
    found = parallel.draw(report)
    words = "A line for each run with the objective; the strongest lines are the best runs."
    # A few axes fit on a telephone; a figure with many axes can be scrolled.
    kind = "wide near" if found and found[0].width < WIDEST_OF_A_TELEPHONE else "wide"
    return _explained(words, _figures(found, kind)) if found else ""


def _curves(report: Report) -> str:
    found = learning.draw(report)
    words = (
        "A line for each run that logged it; the eight best are coloured, the rest grey, failed "
        "runs dashed red."
    )
    drawn = f"{_legend(learning.legend(report))}<div class='figures'>{_figures(found)}</div>"
    return _explained(words, drawn) if found else ""


def _timeline(report: Report) -> str:
    found = timeline.draw(report)
    if not found:
        return ""
    seen = {span.kind for run in report.runs for span in run.spans}
    items = [(kind, words) for kind, words in timeline.WORDS.items() if kind in seen]
    return f"{_legend(items)}{_figures(found, 'wide fit')}"


def _legend(items: Sequence[tuple[str, str]]) -> str:
    inside = "".join(f"<li><i class='{kind}'></i>{escaped(words)}</li>" for kind, words in items)
    return f"<ul class='legend'>{inside}</ul>"


def _costs(report: Report) -> str:
    costs = add_costs(report.runs, report.allocations)
    if costs is None:
        return ""
    if not costs.total:
        words = f"Not known: {_not_measured(costs)}."
        return _section(f"Where {costs.unit}-hours went", _explained(words, ""))
    items = [
        (kind, f"{words}: {render_value(hours_)} ({_percent(hours_ / costs.total)})")
        for kind, words, hours_ in hours.parts_of(costs)
        if hours_ > 0
    ]
    return _section(
        f"Where {render_value(costs.total)} {costs.unit}-hours went",
        f"<p class='faint'>{_cost_words(costs)}</p>{_legend(items)}"
        f"{_figures(hours.draw(report), 'wide bar')}",
    )


def _cost_words(costs: Costs) -> str:
    idle = (
        f"Idle is the share of a run's time in which its {costs.unit}s did nothing."
        if costs.is_idle_known
        else f"How busy the {costs.unit}s were is not on record for every run."
    )
    told = ["Time in the queue costs nothing and is not counted.", idle]
    if costs.not_measured:
        told.append(f"Not all is in it: {_not_measured(costs)}.")
    if not costs.is_unfilled_known:
        told.append(f"{costs.unit}s of packed jobs that no run had are not in it.")
    return escaped(" ".join(told))


def _not_measured(costs: Costs) -> str:
    were = "run was" if costs.began == 1 else "runs were"
    return f"{costs.not_measured} of {costs.began} {were} not measured"


def _percent(share: float) -> str:
    """A percentage, with a decimal if rounding would otherwise give 0 % or 100 %."""
    is_close = 0 < share < 0.005 or 0.995 <= share < 1
    return f"{100 * share:.{1 if is_close else 0}f} %"


def _advice(runs: Sequence[ReportRun]) -> str:
    """The advice about the resources of runs, the most frequent first."""
    counts = Counter(words for run in runs for words in run.advice)
    if not counts:
        return ""
    named = {words: run for run in reversed(runs) for words in run.advice}
    items = [
        f"<li>{escaped(_name(named[words]))}{_and_others(number)}: {escaped(words)}</li>"
        for words, number in counts.most_common(ADVICE_SHOWN)
    ]
    more = len(counts) - len(items)
    rest = f"<p class='faint'>and {more} more: tmgg-jobs explain RUN</p>" if more > 0 else ""
    return _section("What would have done", f"<ul>{''.join(items)}</ul>{rest}")


def _and_others(number: int) -> str:
    if number == 1:
        return ""
    return f" and {number - 1} other run{'' if number == 2 else 's'}"


def _template() -> Template:
    return Template((files("tmgg.report") / "page.html.template").read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
