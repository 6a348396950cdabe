"""The commands that pages show train for real. Here a few steps of it must do."""

from collections.abc import Sequence

from tests.hydra.conftest import Lab

_QUICK = (
    "trainer.steps=10",
    "trainer.validate_every=10",
    "trainer.checkpoint_every=10",
    "data.validation_graphs=8",
    "data.test_graphs=8",
    "trainer.bayes=off",
)
# In jobs, each of which would import torch, an experiment that takes the same config.
_IN_JOBS = ("experiment._target_=in_short:run",)


def short_experiment(lab: Lab) -> None:
    """Write what the jobs of `run_in_short` run."""
    lab.write("in_short.py", "def run(config):\n    return {'val_loss': 1 / config.data.n}\n")


def run_in_short(lab: Lab, argv: Sequence[str]) -> str:
    """What `tmgg-experiment ...` says, which must end well."""
    assert argv[0] == "tmgg-experiment"
    more: tuple[str, ...] = ()
    if any(item.startswith("+stage=") for item in argv):
        more = _IN_JOBS if any(item.startswith("hydra/launcher=") for item in argv) else _QUICK
    ended = lab.run(*argv[1:], *more, config=())
    assert ended.code == 0, f"{argv}\n{ended.err}"
    return ended.out + ended.err
