"""The failures of several runs, grouped by what caused them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.failures import Failure

_NUMBERS = re.compile(r"\d+(?:[.:]\d+)*")


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to fail, and the runs that failed so."""

    failure: Failure
    """That of the first of them."""
    run_ids: list[str]

    @property
    def summary(self) -> str:
        return f"{self.failure.kind}: {self.failure.message.partition(chr(10))[0]}"


def group_by_cause(states: Iterable[RunState]) -> list[Cause]:
    """The most frequent cause first; messages that differ in numbers or names are one cause."""
    found: dict[tuple[str, str], Cause] = {}
    for state in states:
        if state.failure is not None:
            key = (state.failure.kind, _without_names(state))
            found.setdefault(key, Cause(state.failure, [])).run_ids.append(state.run_id)
    return sorted(found.values(), key=lambda cause: -len(cause.run_ids))


def render_causes(causes: Iterable[Cause], names: Mapping[str, str], *, shown: int = 5) -> str:
    """A paragraph for each: how many, why, which, and what to do. Pure."""
    return "\n\n".join(_render(cause, names, shown) for cause in causes)


def _render(cause: Cause, names: Mapping[str, str], shown: int) -> str:
    number = len(cause.run_ids)
    lines = [f"{number} failed ({cause.summary})"]
    lines += [f"  {names.get(run_id, run_id)}" for run_id in cause.run_ids[:shown]]
    if number > shown:
        lines.append(f"  and {number - shown} more")
    lines.append(f"  HINT: {cause.failure.hint}")
    return "\n".join(lines)


def _without_names(state: RunState) -> str:
    assert state.failure is not None
    words = state.failure.message.partition("\n")[0]
    for name in (state.run_id, state.job_id, state.nodes):
        words = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", words) if name else words
    return _NUMBERS.sub("", words)
