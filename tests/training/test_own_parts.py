"""Models, data, noises and metrics of one's own, by import path; and predictions by a command."""

import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.docs.examples import WriteFile, parse_examples
from tmgg.errors import ConfigError
from tmgg.experiments.predict import main
from tmgg.training.config import parse_settings
from tmgg.training.experiment import run

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
        ({"noise": {"name": "math:pi"}}, "which is no dataclass"),
        ({"metrics": ["math:none"]}, "metrics is 'math:none'; there is no 'none'"),
        ({"metrics": 5}, "metrics has 5; expected package.module:function"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(config: Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings(config)
