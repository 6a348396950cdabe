"""A trial submission: what Slurm would do with a job script, without submitting it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import BackendError, SubmissionError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.answers import Start, parse_refusal, parse_start
from tmgg.experiment_utils.cloud.slurm.refusal_words import shortened
from tmgg.experiment_utils.cloud.slurm.request.script import Interpreter, render_script
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.run_folder.paths import RunPaths, resolve_output_dir

RenderScript = Callable[[SlurmConfig], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """Slurm's answer. With neither a start nor a refusal, it is not known what Slurm would do."""

    start: Start | None = None
    refusal: str = ""
    """Slurm's words, if it would refuse the job; else empty."""
    silence: str = ""
    """Why nothing is known; else empty."""
    said: str = ""
    """The whole answer, if sbatch failed; else empty."""

    @property
    def is_taken(self) -> bool:
        return self.start is not None


def render_trial(config: SlurmConfig, *, base: Path) -> str:
    """The script that a run with these options would submit from `base`."""
    folder = resolve_output_dir(config.output_dir, base)
    paths = RunPaths(folder, "tmgg-check").submission(1)
    return render_script(config, paths, base=base, interpreter=Interpreter.submitting())


def try_script(
    queries: SiteQueries, script: str, *, cwd: Path, timeout_s: float | None = None
) -> Trial:
    """Ask Slurm one question. Raises no error for a refusal, or if there is no answer."""
    with tempfile.TemporaryDirectory(prefix="tmgg-trial-") as folder:
        file = Path(folder) / "job.sh"
        file.write_text(script)
        try:
            said = queries.try_submit(file, cwd=cwd, timeout_s=timeout_s)
        except SubmissionError as error:
            words = str(error)
            if refusal := parse_refusal(words):
                return Trial(refusal=refusal, said=words)
            return Trial(silence=_in_short(words), said=words)
        except BackendError as error:
            return Trial(silence=str(error))
    start = parse_start(said)
    return Trial(
        start=start, silence="" if start else f"sbatch --test-only said {_in_short(said)!r}"
    )


def _in_short(words: str) -> str:
    return "\n".join(shortened(words.splitlines()))
