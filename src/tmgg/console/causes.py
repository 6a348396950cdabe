"""The failures of several runs, grouped by what caused them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tmgg.console.words import wrapped
from tmgg.experiment_utils.run_folder.failures import Failure, has_reason_elsewhere

_NUMBERS = re.compile(r"\d+(?:[.:]\d+)*")


class MayHaveFailed(Protocol):
    """A run's state or its result."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    @property
    def job_id(self) -> str | None:
        """The id of its job; None if it has none."""
        ...

    @property
    def nodes(self) -> str | Sequence[str]:
        """Where it ran."""
        ...

    @property
    def failure(self) -> Failure | None:
        """None if the run has not failed."""
        ...


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of failures, and the runs that failed for it."""

    failure: Failure
    """The failure of the first of these runs."""
    run_ids: list[str]
    places: list[int]
    """Their indices among all runs that were grouped; two runs may have the same id."""
    is_example: bool = False
    """Whether the messages of other runs differ, in numbers or names only."""

    @property
    def summary(self) -> str:
        return summarize(self.failure, is_example=self.is_example)


def summarize(failure: Failure, *, is_example: bool = False) -> str:
    """The kind and the first line of the message, without words that repeat the kind."""
    first = failure.message.partition("\n")[0]
    given = f"{failure.kind}, for example" if is_example else failure.kind
    return f"{given}: {first.removeprefix('The experiment raised ')}"


def group_by_cause(runs: Iterable[MayHaveFailed]) -> list[Cause]:
    """Group failures, the most frequent cause first; numbers and names in messages do not count.

    Failures whose reason is elsewhere come last: runs cancelled because others failed, for example.
    """
    found: dict[tuple[str, str], Cause] = {}
    for place, run in enumerate(runs):
        if run.failure is not None:
            key = (run.failure.kind, _without_names(run, run.failure))
            cause = found.setdefault(key, Cause(run.failure, [], []))
            cause.run_ids.append(run.run_id)
            cause.places.append(place)
            if summarize(cause.failure) != summarize(run.failure):
                found[key] = replace(cause, is_example=True)
    return sorted(
        found.values(), key=lambda cause: (has_reason_elsewhere(cause.failure), -len(cause.run_ids))
    )


def render_causes(
    causes: Iterable[Cause],
    names: Sequence[str] | None = None,
    *,
    shown: int = 5,
    evidence: Callable[[int], Sequence[str]] = lambda _place: (),
    width: int | None = None,
) -> str:
    """A paragraph for each cause: how many runs, why, which runs, and what to do. Pure.

    `names` are the names of all runs that were grouped, in order; with None, ids are shown.
    `evidence` returns more lines about a run, by its place; they are shown for the first run of a
    cause. Sentences are wrapped to `width`.
    """
    return "\n\n".join(_render(cause, names, shown, evidence, width) for cause in causes)


def _render(
    cause: Cause,
    names: Sequence[str] | None,
    shown: int,
    evidence: Callable[[int], Sequence[str]],
    width: int | None,
) -> str:
    number = len(cause.places)
    named = cause.run_ids if names is None else [names[place] for place in cause.places]
    lines = [wrapped(f"{number} failed ({cause.summary})", width)]
    lines += [f"  {name}" for name in named[:shown]]
    if number > shown:
        lines.append(f"  and {number - shown} more")
    lines += [f"    {line}" for line in evidence(cause.places[0])]
    lines.append(wrapped(f"HINT: {cause.failure.hint}", width, indent="  "))
    return "\n".join(lines)


def _without_names(run: MayHaveFailed, failure: Failure) -> str:
    words = failure.message.partition("\n")[0]
    nodes = [run.nodes] if isinstance(run.nodes, str) else run.nodes
    for name in (run.run_id, run.job_id, *nodes):
        words = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", words) if name else words
    return _NUMBERS.sub("", words)
