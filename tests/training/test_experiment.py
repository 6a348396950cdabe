import csv
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from tests.training.trained import elsewhere, weights
from tmgg.denoising.bayes import exact_logits
from tmgg.denoising.comparison import graph_losses
from tmgg.denoising.noise import FlipNoise
from tmgg.errors import ConfigError, MissingExtraError, StoppedEarlyError
from tmgg.training.config import parse_settings
from tmgg.training.data import DenoisingData, GraphSource
from tmgg.training.experiment import run
from tmgg.training.hooks import Hooks
from tmgg.training.loading import load
from tmgg.training.loggers import build_loggers
from tmgg.training.loop import train
from tmgg.training.module import DenoiserModule, reference_logits, score_references
from tmgg.training.process import quiet_lightning

Config = dict[str, Any]


class StopAfter(Callback):
    """What a preempted run does: ends after the current step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step == self.step:
            trainer.should_stop = True


class CrashAfter(Callback):
    """What a lost node looks like: no more steps, nothing written."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step == self.step:
            raise OSError("node lost")


def results(metrics: dict[str, float | str]) -> dict[str, float | str]:
    """Everything but what differs between equal runs."""
    return {k: v for k, v in metrics.items() if k not in ("train_seconds", "checkpoint_path")}


def test_a_run_returns_plain_numbers_and_a_checkpoint(small: Config) -> None:
    metrics = run(small)
    path = metrics.pop("checkpoint_path")
    assert path == str(Path(small["output_dir"]) / "checkpoints" / "last.ckpt")
    assert set(metrics) == {
        "val_loss", "val_accuracy", "edge_error", "gap_closed", "best_val_loss",
        "edge_only_loss", "oracle_loss", "edge_only_edge_error", "oracle_edge_error",
        "test_loss", "test_loss_se", "test_edge_error", "edge_only_test_loss",
        "block_oracle_test_loss", "block_oracle_gap_closed", "block_oracle_gap_closed_se",
        "bayes_is_known", "bayes_test_loss_low", "bayes_test_loss_high", "bayes_gap_closed_low",
        "bayes_gap_closed_high", "bayes_gap_closed_se", "bayes_beaten_by_se", "bayes_excess_se",
        "train_seconds", "steps", "parameters",
    }  # fmt: skip
    assert all(type(value) in (int, float, bool) for value in metrics.values())
    assert metrics["steps"] == 24
    assert metrics["parameters"] == 5 * 4 * 4 + 3


def test_metrics_agree_with_each_other(small: Config) -> None:
    metrics = run(small)
    loss, edge_only, oracle = (
        float(metrics[name]) for name in ("val_loss", "edge_only_loss", "oracle_loss")
    )
    assert oracle < loss < edge_only
    assert metrics["gap_closed"] == pytest.approx((edge_only - loss) / (edge_only - oracle))
    assert metrics["val_accuracy"] == pytest.approx(1 - float(metrics["edge_error"]))
    assert metrics["best_val_loss"] <= loss  # type: ignore[operator]


def test_the_checkpoint_holds_the_weights_the_metrics_belong_to(small: Config) -> None:
    metrics = run(small)
    settings = parse_settings(small)
    module = DenoiserModule(settings, score_references(settings))
    module.load_state_dict(weights(str(metrics["checkpoint_path"])))
    with quiet_lightning():
        trainer = pl.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")
        (values,) = trainer.validate(module, datamodule=DenoisingData(settings), verbose=False)
    assert values["val_loss"] == metrics["val_loss"]


def test_the_same_seed_gives_the_same_numbers_bit_by_bit(small: Config) -> None:
    first, second = run(small), run(elsewhere(small, "again"))
    assert results(first) == results(second)
    one, two = (weights(str(metrics["checkpoint_path"])) for metrics in (first, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_seed_gives_other_numbers_on_the_same_validation_set(small: Config) -> None:
    first, second = run(small), run({**elsewhere(small, "other"), "seed": 1})
    assert first["val_loss"] != second["val_loss"]
    assert first["oracle_loss"] == second["oracle_loss"]


def test_a_run_leaves_the_random_state_and_threads_of_the_process_alone(small: Config) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    run({**small, "trainer": {**small["trainer"], "cpu_threads": threads + 1}})
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("stop", [7, 12, 24])
def test_a_stopped_and_resumed_run_ends_as_if_never_stopped(small: Config, stop: int) -> None:
    whole = run(small)
    parted = elsewhere(small, "parted")
    metrics = train(parse_settings(parted), callbacks=[StopAfter(stop)])
    assert metrics["steps"] == stop
    last = Path(parted["output_dir"]) / "checkpoints" / "last.ckpt"
    resumed = run({**parted, "resume_from": str(last)})
    assert results(resumed) == results(whole)
    one, two = weights(str(whole["checkpoint_path"])), weights(last)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("crash", [12, 15, 23])
def test_a_crashed_run_goes_on_from_its_last_checkpoint(small: Config, crash: int) -> None:
    whole = run(small)
    parted = elsewhere(small, "parted")
    with pytest.raises(OSError, match="node lost"):
        train(parse_settings(parted), callbacks=[CrashAfter(crash)])
    last = Path(parted["output_dir"]) / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 12
    assert results(run({**parted, "resume_from": str(last)})) == results(whole)


class CrashInValidation(CrashAfter):
    """As above, while a step is validated that has been saved."""

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.on_train_batch_start(trainer)


WILD = {
    "steps": 20,
    "batch_size": 8,
    "learning_rate": 3.0,
    "validate_every": 1,
    "checkpoint_every": 1,
}
"""The loss rises again after the first steps."""
BEST_STEP = 2


def interrupted(config: Config, way: str) -> None:
    """Train until the step that is to be the best has been saved."""
    settings = parse_settings(config)
    if way == "asked to stop":
        asked = iter(range(1, BEST_STEP + 1))
        with pytest.raises(StoppedEarlyError, match=f"at step {BEST_STEP}"):
            train(settings, hooks=Hooks(stop=lambda: next(asked) == BEST_STEP))
        return
    ends = CrashInValidation if way == "lost in validation" else CrashAfter
    with pytest.raises(OSError, match="node lost"):
        train(settings, callbacks=[ends(BEST_STEP)])


@pytest.mark.parametrize("way", ["asked to stop", "lost", "lost in validation"])
def test_an_interruption_at_the_best_step_does_not_cost_the_best_weights(
    small: Config, way: str
) -> None:
    wild = {**small, "trainer": WILD}
    whole = run(wild)
    parted = elsewhere(wild, "parted")
    interrupted(parted, way)
    folder = Path(parted["output_dir"]) / "checkpoints"
    assert results(run({**parted, "resume_from": str(folder / "last.ckpt")})) == results(whole)
    best = Path(str(whole["checkpoint_path"])).with_name("best.ckpt")
    assert torch.load(best, weights_only=True)["global_step"] == BEST_STEP
    one, two = weights(best), weights(folder / "best.ckpt")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("beside", ["the best", "a later one", "none"])
def test_going_on_in_another_folder_keeps_the_best_weights(
    small: Config, beside: str, caplog: pytest.LogCaptureFixture
) -> None:
    wild = {**small, "trainer": WILD}
    first = elsewhere(wild, "first")
    train(parse_settings(first), callbacks=[StopAfter(6)])
    folder = Path(first["output_dir"]) / "checkpoints"
    stopped = folder / "last.ckpt"
    if beside == "a later one":
        later = torch.load(folder / "best.ckpt", weights_only=True)
        (key,) = [name for name in later["callbacks"] if "ModelCheckpoint" in name]
        later["callbacks"][key]["best_model_score"] = torch.tensor(0.0)
        torch.save(later, folder / "best.ckpt")
    elif beside == "none":
        (folder / "best.ckpt").unlink()
    resumed = run({**small, "trainer": WILD, "resume_from": str(stopped)})
    whole = run(elsewhere(wild, "whole"))
    assert (results(resumed) == results(whole)) is (beside == "the best")
    best = torch.load(Path(small["output_dir"]) / "checkpoints/best.ckpt", weights_only=True)
    assert (best["global_step"] == BEST_STEP) is (beside == "the best")
    assert ("best.ckpt begins anew" in caplog.text) is (beside != "the best")


def test_training_time_counts_the_attempts_before(small: Config) -> None:
    stopped = train(parse_settings(small), callbacks=[StopAfter(12)])
    last = Path(small["output_dir"]) / "checkpoints" / "last.ckpt"
    resumed = run({**small, "resume_from": str(last)})
    assert float(resumed["train_seconds"]) > stopped["train_seconds"]


def test_a_resumed_run_keeps_the_curve_of_the_attempt_before(small: Config) -> None:
    train(parse_settings(small), callbacks=[StopAfter(12)])
    last = Path(small["output_dir"]) / "checkpoints" / "last.ckpt"
    run({**small, "resume_from": str(last)})
    curves = sorted((Path(small["output_dir"]) / "logs").glob("version_*/metrics.csv"))
    assert [path.parent.name for path in curves] == ["version_0", "version_1"]
    assert [max(steps_logged(path)) for path in curves] == [12, 24]


def steps_logged(path: Path) -> list[int]:
    with path.open() as stream:
        return [int(row["step"]) for row in csv.DictReader(stream)]


def test_a_checkpoint_of_other_settings_is_refused(small: Config) -> None:
    path = run(small)["checkpoint_path"]
    longer = {**small, "trainer": {**small["trainer"], "steps": 48}, "resume_from": path}
    with pytest.raises(ConfigError, match=r"other settings.*'steps': 24.*'steps': 48"):
        run(longer)


def test_the_test_set_may_change_on_resume(small: Config) -> None:
    first = run(small)
    other = {**small, "data": {**small["data"], "test_seed": 99}}
    again = run({**other, "resume_from": first["checkpoint_path"]})
    assert again["val_loss"] == first["val_loss"]
    assert again["test_loss"] != first["test_loss"]


def test_how_often_to_report_may_change_on_resume(small: Config) -> None:
    path = run(small)["checkpoint_path"]
    trainer = {**small["trainer"], "validate_every": 5, "checkpoint_every": 5}
    assert run({**small, "trainer": trainer, "resume_from": path})["steps"] == 24


def test_a_missing_checkpoint_is_refused_before_anything_is_written(small: Config) -> None:
    with pytest.raises(ConfigError, match=r"resume_from is /nowhere\.ckpt, which is not a file"):
        run({**small, "resume_from": "/nowhere.ckpt"})
    assert not Path(small["output_dir"]).exists()


def test_best_and_last_checkpoints_are_kept_whenever_validation_fell(small: Config) -> None:
    trainer = {**small["trainer"], "steps": 10, "validate_every": 50, "checkpoint_every": 50}
    metrics = run({**small, "trainer": trainer})
    folder = Path(small["output_dir"]) / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert metrics["best_val_loss"] == metrics["val_loss"]


def test_best_holds_the_lowest_validation_loss_seen(small: Config) -> None:
    # Far too high a rate: the loss rises again after the first steps.
    wild = {"steps": 20, "batch_size": 8, "learning_rate": 3.0, "validate_every": 1}
    metrics = run({**small, "trainer": wild})
    with (Path(small["output_dir"]) / "logs/version_0/metrics.csv").open() as stream:
        seen = [float(row["val_loss"]) for row in csv.DictReader(stream) if row["val_loss"]]
    assert metrics["best_val_loss"] == pytest.approx(min(seen))
    assert metrics["best_val_loss"] < metrics["val_loss"]  # type: ignore[operator]
    checkpoint = torch.load(Path(small["output_dir"]) / "checkpoints/best.ckpt", weights_only=True)
    assert checkpoint["global_step"] == seen.index(min(seen)) + 1


def test_no_partial_checkpoint_is_left_behind(small: Config) -> None:
    run(small)
    names = [path.name for path in (Path(small["output_dir"]) / "checkpoints").iterdir()]
    assert sorted(names) == ["best.ckpt", "last.ckpt"]


def test_progress_off_a_terminal_is_one_line_per_validation(
    small: Config, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tmgg"):
        run(small)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "training FilterBank for 24 steps"
    assert [line.split(":")[0] for line in lines[1:]] == ["step 12 of 24", "step 24 of 24"]


def read_terminal(controller: int) -> str:
    shown = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # EIO: on Linux, the end of a terminal nobody writes to any more
            chunk = b""
        if not chunk:
            os.close(controller)
            return shown.decode()
        shown += chunk


def test_progress_on_a_terminal_is_a_bar_counting_steps(small: Config) -> None:
    controller, terminal = pty.openpty()
    code = f"from tmgg.training.experiment import run; run({small!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=terminal) as process:
        os.close(terminal)
        shown = read_terminal(controller)
    assert process.returncode == 0
    assert "Training" in shown
    assert "24/24" in shown
    assert "gap_closed" in shown
    assert "v_num" not in shown


def test_the_current_directory_is_the_default_output(
    small: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    del small["output_dir"]
    run(small)
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_a_training_inside_a_slurm_job_trains_alone(
    small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(small)
    job = {"SLURM_NTASKS": "3", "SLURM_JOB_NAME": "tmgg", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}
    for name, value in {**job, "SLURM_JOB_ID": "7", "SLURM_NODEID": "2"}.items():
        monkeypatch.setenv(name, value)
    assert results(run(elsewhere(small, "slurm"))) == results(alone)


@pytest.mark.parametrize("logger", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_names_the_install_command(
    small: Config, logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = {**small, "trainer": {**small["trainer"], "logger": logger}}
    with pytest.raises(MissingExtraError, match=f"pip install {logger}"):
        run(config)
    assert not Path(small["output_dir"]).exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_what_to_check(small: Config) -> None:
    with pytest.raises(ConfigError, match="sees no GPU here; check `nvidia-smi`"):
        run({**small, "trainer": {**small["trainer"], "accelerator": "gpu"}})


def test_curves_have_the_learning_rate_and_the_speed_and_hyperparameters_beside_them(
    small: Config,
) -> None:
    run({**small, "stage": "stage1_poc", "run_id": "run-7"})
    folder = Path(small["output_dir"]) / "logs" / "version_0"
    with (folder / "metrics.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["learning_rate"]]
    assert [int(row["step"]) for row in rows] == [9, 19]
    assert all(float(row["graphs_per_second"]) > 0 for row in rows)
    assert 0 < float(rows[1]["learning_rate"]) < float(rows[0]["learning_rate"]) < 0.01
    told = (folder / "hparams.yaml").read_text()
    for line in (
        "name: run-7",
        "group: stage1_poc",
        "model.name: FilterBankConfig",
        "data.n: 12",
        "data.test_seed: 13",
    ):
        assert f"{line}\n" in told


def test_tensorboard_gets_them_too(small: Config) -> None:
    pytest.importorskip("tensorboardX")
    run({**small, "trainer": {**small["trainer"], "logger": "tensorboard"}})
    folder = Path(small["output_dir"]) / "logs" / "tensorboard"
    events = folder.glob("version_0/events.out.tfevents.*")
    assert any(b"graphs_per_second" in path.read_bytes() for path in events)
    assert "group: custom\n" in (folder / "version_0" / "hparams.yaml").read_text()


def test_wandb_is_told_name_and_group(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr("tmgg.training.loggers._require", lambda logger: None)
    monkeypatch.setattr("tmgg.training.loggers.WandbLogger", told.update)
    trainer = {**small["trainer"], "logger": "wandb"}
    build_loggers(parse_settings({**small, "trainer": trainer, "stage": "stage1_poc", "seed": 3}))
    assert (told["project"], told["group"]) == ("tmgg", "stage1_poc")
    assert told["name"] == "FilterBank-seed-3"


def test_science_imports_neither_ray_nor_anything_that_launches_it() -> None:
    code = (
        "import sys, tmgg.training.experiment\n"
        "bad = {'ray', 'modal', 'hydra', 'tmgg.experiment_utils', 'tmgg.cli'} & set(sys.modules)\n"
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_optimum_of_small_graphs_is_that_of_the_test_set_itself(small: Config) -> None:
    config = {**small, "data": {**small["data"], "n": 6, "blocks": [2, 3], "test_graphs": 40}}
    metrics = run(config)
    settings = parse_settings(config)
    source = GraphSource(settings)
    losses = torch.zeros(40, 3, dtype=torch.float64)
    denoise = load(str(metrics["checkpoint_path"]))
    for number in range(40):
        graph = source.test_graph(number)
        optimum = exact_logits(graph.noisy_BNN, settings.data, FlipNoise())
        edge_only, _ = reference_logits(graph, settings.noise)
        model = torch.logit(denoise(graph.noisy_BNN).double())
        for place, each in enumerate((model, edge_only, optimum)):
            losses[number, place] = graph_losses(each, graph.adj_BNN)[0]
    model, edge_only, optimum = losses.mean(dim=0).tolist()
    assert metrics["bayes_test_loss_low"] == metrics["bayes_test_loss_high"]
    assert metrics["bayes_test_loss_low"] == pytest.approx(optimum, abs=1e-9)
    closed = (edge_only - model) / (edge_only - optimum)
    assert metrics["bayes_gap_closed_low"] == pytest.approx(closed, abs=1e-5)
    weights = torch.tensor([-1.0, 1.0 - closed, closed], dtype=torch.float64)
    error = float((losses @ weights).std() / 40**0.5) / (edge_only - optimum)
    assert metrics["bayes_gap_closed_se"] == pytest.approx(error, rel=1e-3)
    differences = losses[:, 2] - losses[:, 0]
    beaten = float(differences.mean() / (differences.std() / 40**0.5))
    assert metrics["bayes_beaten_by_se"] == pytest.approx(beaten, rel=1e-3)
