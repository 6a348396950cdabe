"""Models, data, noises and metrics of one's own, by import path; and predictions by a command."""

import itertools
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.docs.examples import WriteFile, parse_examples
from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.errors import ConfigError
from tmgg.experiments.predict import by_block, main
from tmgg.training.config import parse_settings
from tmgg.training.experiment import run
from tmgg.training.own_metrics import require_own_names

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
Config = dict[str, Any]


@pytest.fixture
def my_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module that the page shows, in the working directory."""
    (file,) = [
        step
        for step in parse_examples(PAGE)
        if isinstance(step, WriteFile) and step.name == "my_denoising.py"
    ]
    (tmp_path / file.name).write_text(file.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_denoising", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "group",
    [
        {"model": {"name": "my_denoising:Walks", "k": 2}},
        {"data": {"name": "my_denoising:Bipartite", "n": 12, "validation_graphs": 20}},
        {"noise": {"name": "my_denoising:Erasure", "lost": 0.2}},
        {"metrics": ["my_denoising:expected_degree_error"]},
    ],
    ids=str,
)
def test_what_the_page_shows_trains_and_loads(my_lab: Path, small: Config, group: Config) -> None:
    metrics = run({**small, **group})
    assert float(metrics["val_loss"]) < float(metrics["edge_only_loss"]) + 0.02
    if "metrics" in group:
        assert float(metrics["expected_degree_error"]) > 0.0
    picture, matrix = my_lab / "graph.png", my_lab / "graph.npy"
    argv = [str(metrics["checkpoint_path"]), "--graph", "3", "--picture", str(picture)]
    assert main([*argv, "--out", str(matrix)]) == 0
    assert np.load(matrix).shape == (12, 12)
    png = picture.read_bytes()
    assert png.startswith(b"\x89PNG")
    start = png.index(b"IDAT") + 4
    length = int.from_bytes(png[start - 8 : start - 4], "big")
    pixels = zlib.decompress(png[start : start + length])
    assert len(pixels) == 12 * 8 * (1 + 3 * 12 * 8 + 2 * 16)


def test_a_prediction_of_a_matrix_of_ones_own(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(run(small)["checkpoint_path"])
    np.save(tmp_path / "mine.npy", np.zeros((12, 12)))
    assert main([checkpoint, "--noisy", str(tmp_path / "mine.npy")]) == 0
    assert "12 nodes, 0 edges" in capsys.readouterr().out
    assert main([checkpoint, "--noisy", str(tmp_path / "none.npy")]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": {"name": "no_such_module:X"}}, "model.name is 'no_such_module:X'; there is no"),
        ({"noise": {"name": "math:pi"}}, "which is not a dataclass"),
        ({"metrics": ["math:none"]}, "metrics is 'math:none'; there is no 'none'"),
        ({"metrics": 5}, "metrics has 5; expected package.module:function"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(config: Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings(config)


METRICS = """
import torch

def test_loss(p, a): return torch.zeros(len(a))
def shift_sbm_gap_closed(p, a): return torch.ones(len(a))
def degree(p, a): return a.sum(dim=(1, 2))
def number(p, a): return 3.0
def two(p, a): return torch.ones(2)
def no_size(p, a): return a.mean()
def broken(p, a): raise ZeroDivisionError("of the metric")
"""


@pytest.fixture
def my_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my_metrics", "my_others"):
        (tmp_path / f"{name}.py").write_text(METRICS)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("my_metrics")
@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["my_metrics:test_loss"], "test_loss is the name of a built-in number"),
        (["my_metrics:shift_sbm_gap_closed"], "is the name of a built-in number"),
        (["my_metrics:degree", "my_others:degree"], "two functions with the name degree"),
    ],
)
def test_a_metric_stands_in_for_no_other_number(metrics: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings({"metrics": metrics})


def test_every_number_that_a_training_reports_is_known_as_its_own(small: Config) -> None:
    trained = {**small, "criteria": [{"metric": "steps", "at_least": 1}], "shifts": [{"name": "a"}]}
    for name in run(trained):
        with pytest.raises(ConfigError, match="built-in number; give the function another name"):
            require_own_names([f"my_metrics:{name}"])


@pytest.mark.usefixtures("my_metrics")
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("number", ConfigError, "number returned 3.0; it must return a tensor"),
        ("two", ConfigError, r"two returned the shape \(2,\); it must"),
        ("no_size", ConfigError, r"no_size returned the shape \(\); it must"),
        ("broken", ZeroDivisionError, "of the metric"),
    ],
)
def test_a_metric_that_does_not_work_costs_no_training(
    small: Config, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run({**small, "metrics": [f"my_metrics:{name}"]})
    assert not (Path(small["output_dir"]) / "checkpoints").exists()


def test_a_model_that_is_told_rates_predicts_by_the_command(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(run({**small, "noise": {"name": "flip_range"}})["checkpoint_path"])
    mine = str(tmp_path / "mine.npy")
    np.save(mine, np.zeros((12, 12)))

    assert main([checkpoint, "--graph", "3"]) == 0
    assert "wrong pairs" in capsys.readouterr().out
    assert main([checkpoint, "--noisy", mine, "--eps", "0.1"]) == 0
    assert main([checkpoint, "--noisy", mine]) == 2
    assert "such as --eps 0.1" in capsys.readouterr().err


def test_nodes_of_a_picture_are_sorted_by_their_blocks() -> None:
    graphs = sample_sbm(SbmConfig(n=12, blocks=(3,)), torch.arange(20), seed=3)
    for probability_NN, block_N in zip(graphs.edge_probability_BNN, graphs.block_BN, strict=True):
        shown = block_N[by_block(probability_NN)].tolist()
        assert [block for block, _ in itertools.groupby(shown)] == list(dict.fromkeys(shown))


def test_what_the_command_cannot_use_is_reported_in_words(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(run(small)["checkpoint_path"])
    np.save(tmp_path / "many.npy", np.zeros((2, 12, 12)))
    for more, message in (
        (["--graph", "-1"], "--graph is -1; give 0 or more"),
        (["--noisy", str(tmp_path / "many.npy")], "has shape (2, 12, 12); give one square matrix"),
        (["--picture", str(tmp_path / "none" / "a.png")], "none/a.png"),
    ):
        assert main([checkpoint, *more]) == 2
        assert message in capsys.readouterr().err
