"""Finds a request that the site takes: tries with `sbatch --test-only`, guided by its refusals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial
from tmgg.experiment_utils.cloud.slurm.setup.alternatives import Axis

MOST_TRIALS = 40

Try = Callable[[SlurmConfig], Trial]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The outcome of a search: the last request that was kept."""

    config: SlurmConfig
    trial: Trial
    """Slurm's answer for `config`."""
    changes: Mapping[str, str]
    """By field that was changed: the refusal because of which it was changed."""
    trials: int


def search(first: SlurmConfig, axes: Sequence[Axis], attempt: Try) -> Found:
    """Change one thing after another until the site takes the request; at most MOST_TRIALS trials.

    A change is kept if the site then refuses for another reason.
    """
    search_ = _Search(axes, attempt)
    return search_.run(first)


class _Search:
    def __init__(self, axes: Sequence[Axis], attempt: Try) -> None:
        self._axes = axes
        self._attempt = attempt
        self._tried: dict[SlurmConfig, Trial] = {}

    def run(self, first: SlurmConfig) -> Found:
        config, trial = first, self._ask(first)
        changes: dict[str, str] = {}
        while trial.refusal:
            step = self._step(config, trial.refusal)
            if step is None:
                break
            changes |= dict.fromkeys(_differences(config, step[0]), trial.refusal)
            config, trial = step
        return Found(config=config, trial=trial, changes=changes, trials=len(self._tried))

    def _step(self, config: SlurmConfig, words: str) -> tuple[SlurmConfig, Trial] | None:
        """The first change after which the site takes the request, or refuses for another reason.

        None if no change does that.
        """
        for axis, candidate in self._candidates(config, words):
            if len(self._tried) >= MOST_TRIALS:
                return None
            if candidate in self._tried:
                continue
            trial = self._ask(candidate)
            is_other = bool(trial.refusal) and trial.refusal != words
            if trial.is_taken or (is_other and not axis.is_meant(trial.refusal)):
                return candidate, trial
        return None

    def _candidates(self, config: SlurmConfig, words: str) -> Iterator[tuple[Axis, SlurmConfig]]:
        for axis in sorted(self._axes, key=lambda axis: -axis.likelihood(words)):
            for way in axis.ways_for(words):
                try:
                    yield axis, replace(config, **way)
                except ConfigError:
                    continue  # two of the settings exclude each other

    def _ask(self, config: SlurmConfig) -> Trial:
        self._tried[config] = self._attempt(config)
        return self._tried[config]


def _differences(before: SlurmConfig, after: SlurmConfig) -> list[str]:
    old, new = before.to_json(), after.to_json()
    return [name for name in new if new[name] != old[name]]
