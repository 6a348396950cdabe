"""Loads a trained denoiser from its checkpoint, as a function of noisy graphs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tmgg.denoising.noise import DigressNoise, FlipNoise
from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.errors import ConfigError
from tmgg.models import MODELS
from tmgg.training.config import ALL_NOISES, DATA, Settings, parse_settings
from tmgg.training.module import SETTINGS_KEY, TEST_SET_KEY, seeded_model
from tmgg.training.reading import read_checkpoint


class TrainedDenoiser:
    """A function of noisy graphs; `load` makes it."""

    def __init__(self, settings: Settings, state: Mapping[str, Tensor]) -> None:
        self.settings = settings
        """The settings of the training: `data`, `noise`, `model`, `trainer`, `seed`."""
        self.model = seeded_model(settings)
        """The PyTorch module; gives logits."""
        prefix = "model."
        own = {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
        self.model.load_state_dict(own)
        self.model.eval()

    def __call__(self, noisy: Any, *, eps: float | None = None) -> Tensor:
        """P(edge) of each pair, of one noisy graph (N, N) or several (B, N, N); zero diagonal.

        `eps` is the flip rate; a model that was trained with `noise=flip_range` needs it.
        """
        noisy_BNN = torch.as_tensor(noisy, dtype=torch.float32)
        if noisy_BNN.ndim not in (2, 3) or noisy_BNN.shape[-1] != noisy_BNN.shape[-2]:
            raise ConfigError(
                f"the graph has shape {tuple(noisy_BNN.shape)}; give one square matrix, or several"
            )
        self._require_graph(noisy_BNN)
        if eps is not None and not isinstance(self.settings.noise, FlipRangeNoise):
            raise ConfigError("eps is given, but the model was trained for one noise; leave it out")
        single = noisy_BNN.ndim == 2
        noisy_BNN = noisy_BNN[None] if single else noisy_BNN
        rate_B = None if eps is None else torch.full((len(noisy_BNN),), _flip_rate(eps))
        with torch.no_grad():
            logits_BNN = self.model(noisy_BNN, None, rate_B)
        off_diagonal = 1.0 - torch.eye(noisy_BNN.shape[-1])
        probability_BNN = torch.sigmoid(logits_BNN) * off_diagonal
        return probability_BNN[0] if single else probability_BNN

    def _require_graph(self, noisy: Tensor) -> None:
        """Raise ConfigError for a graph that the training's noise cannot make."""
        if not len(noisy):
            raise ConfigError("no graph is given; give one matrix, or several")
        if not bool(torch.isfinite(noisy).all()):
            raise ConfigError("the graph has a value that is not a finite number")
        if not torch.equal(noisy, noisy.mT):
            raise ConfigError("the graph is not symmetric; only undirected graphs are denoised")
        if noisy.shape[-1] < self.settings.model.k:
            raise ConfigError(
                f"the graph has {noisy.shape[-1]} nodes, but the model uses "
                f"{self.settings.model.k} eigenpairs; give a graph of as many nodes or more"
            )
        if bool(noisy.diagonal(dim1=-2, dim2=-1).any()):
            raise ConfigError("the graph's diagonal is not 0; set it to 0, there are no self-loops")
        binary = isinstance(self.settings.noise, FlipNoise | FlipRangeNoise | DigressNoise)
        if binary and not bool(((noisy == 0) | (noisy == 1)).all()):
            raise ConfigError(
                "the graph has values other than 0 and 1; with flips, graphs have only these two "
                "values"
            )


def _flip_rate(eps: float) -> float:
    if not 0.0 < eps < 0.5:
        raise ConfigError(f"eps is {eps}; a flip rate must be above 0 and below 0.5")
    return eps


def load(checkpoint: str | Path) -> TrainedDenoiser:
    """The model of a checkpoint that a built-in experiment wrote, `best.ckpt` or `last.ckpt`.

        denoise = tmgg.load("outputs/.../checkpoints/best.ckpt")
        probability = denoise(noisy)

    Raises ConfigError for a file that is not such a checkpoint. Nothing in the file is executed.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise ConfigError(
            f"checkpoint {path} is not a file; give checkpoints/best.ckpt or last.ckpt of a run"
        )
    saved = read_checkpoint(path)
    if not isinstance(saved, dict) or SETTINGS_KEY not in saved:
        raise ConfigError(
            f"{path} is not a checkpoint of a built-in experiment; for a module of your own call "
            "its load_from_checkpoint"
        )
    settings = _settings_of(saved[SETTINGS_KEY], saved.get(TEST_SET_KEY, {}))
    return TrainedDenoiser(settings, saved["state_dict"])


def _settings_of(then: Mapping[str, Any], test_set: Mapping[str, Any]) -> Settings:
    """The settings that a checkpoint keeps, with class names as in `Settings.scientific`.

    `test_set` has the keys of `Settings.test_set`; it is empty for older checkpoints.
    """
    names = {entry.config.__name__: name for name, entry in MODELS.items()}
    for table in (ALL_NOISES, DATA):
        names |= {kind.__name__: name for name, kind in table.items()}

    def named(group: str) -> dict[str, Any]:
        name = then[group]["name"]
        return {**then[group], "name": names.get(name, name)}

    return parse_settings(
        {
            "data": {**(named("data") if "name" in then["data"] else then["data"]), **test_set},
            "noise": named("noise"),
            "model": named("model"),
            "trainer": then["trainer"],
            "seed": then["seed"],
        }
    )
