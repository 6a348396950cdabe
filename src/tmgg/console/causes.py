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
        """Its id."""
        ...

    @property
    def job_id(self) -> str | None:
        """Its job's."""
        ...

    @property
    def nodes(self) -> str | Sequence[str]:
        """Where it ran."""
        ...

    @property
    def failure(self) -> Failure | None:
        """None where it has not failed."""
        ...


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to fail, and the runs that failed so."""

    failure: Failure
    """That of the first of them."""
    run_ids: list[str]
    places: list[int]
    """Where they stand among all runs that were grouped: two of them may have one id."""
    is_example: bool = False
    """The others say the same with other numbers or names."""

    @property
    def summary(self) -> str:
        return summarize(self.failure, is_example=self.is_example)


def summarize(failure: Failure, *, is_example: bool = False) -> str:
    """The kind and the first line of what happened; that it raised, the kind says."""
    first = failure.message.partition("\n")[0]
    given = f"{failure.kind}, for example" if is_example else failure.kind
    return f"{given}: {first.removeprefix('The experiment raised ')}"


def group_by_cause(runs: Iterable[MayHaveFailed]) -> list[Cause]:
    """The most frequent cause first; messages that differ in numbers or names are one cause.

    Runs that were cancelled because of something else, as other runs that failed, come last.
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
    """A paragraph for each: how many, why, which, and what to do. Pure.

    `names` are those of all runs that were grouped, in order; None takes their ids. `evidence` has
    more lines about a run, by its place; those of the first of a cause are shown. Sentences keep to
    the `width`.
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
