"""What Lightning's hooks cost at each step, made small: a step of a small model is mostly hooks."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.profilers import PassThroughProfiler

_NOTHING = contextlib.nullcontext("")
_NOTED_AT_EACH_HOOK = "_current_fx_name"


class NoProfiler(PassThroughProfiler):
    """Lightning's own profiler that measures nothing makes a generator for each callback's hook."""

    def profile(self, action_name: str) -> AbstractContextManager[str]:  # type: ignore[override]
        """Nothing."""
        return _NOTHING


class QuickHooks(pl.LightningModule):
    """Lightning notes on the module which hook it is in; for PyTorch that might be a parameter."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == _NOTED_AT_EACH_HOOK:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)
