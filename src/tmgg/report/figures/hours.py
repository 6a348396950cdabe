"""How the GPU-hours were used: one bar."""

from tmgg.report import drawing
from tmgg.report.costs import Costs, add_costs
from tmgg.report.drawing import Figure
from tmgg.report.model import Report
from tmgg.report.scales import Scale

WIDTH, HEIGHT = 900, 44


def parts_of(costs: Costs) -> list[tuple[str, str, float]]:
    """For each part its CSS class, its name, and its hours."""
    of_known = "busy" if costs.is_idle_known else "in use"
    return [
        ("run", of_known, costs.busy),
        ("idle", "idle", costs.idle),
        ("startup", "starting and ending", costs.startup),
        ("failed", "in runs that failed", costs.failed),
        ("end", "in packed jobs, without a run", costs.unfilled),
    ]


def draw(report: Report) -> list[Figure]:
    """One picture; empty if it is not known what runs held."""
    costs = add_costs(report.runs, report.allocations)
    if costs is None or not costs.total:
        return []
    scale = Scale(0.0, costs.total, 0.0, WIDTH)
    at, parts = 0.0, []
    for kind, words, hours in parts_of(costs):
        if hours > 0:
            width = scale(at + hours) - scale(at)
            title = f"{words}: {drawing.render_value(hours)} {costs.unit}-hours"
            parts.append(drawing.rectangle(scale(at), 4, width, HEIGHT - 8, kind, title=title))
            at += hours
    return [Figure("hours", f"{costs.unit}-hours", WIDTH, HEIGHT, "".join(parts))]
