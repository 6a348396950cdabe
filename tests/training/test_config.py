from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.denoising.noise import DigressNoise
from tmgg.errors import ConfigError
from tmgg.models.gnn import GnnConfig
from tmgg.training.config import Settings, parse_settings

FIXED_PAIR = {"protocol": "fixed_pair"}


def test_an_empty_config_means_the_defaults() -> None:
    assert parse_settings({}) == Settings()


def test_values_arrive_where_they_belong() -> None:
    settings = parse_settings(
        {
            "data": {"name": "sbm", "n": 20, "blocks": [2, 5], "p_in": 1},
            "noise": {"name": "digress", "alpha_bar": 0.5, "transition": "uniform"},
            "model": {"name": "gnn", "layers": 2},
            "trainer": {"cpu_threads": None, "steps": 5},
            "seed": 3,
            "output_dir": "/somewhere",
            "resume_from": "/somewhere/last.ckpt",
        }
    )
    assert (settings.data.n, settings.data.blocks, settings.data.p_in) == (20, (2, 5), 1.0)
    assert settings.noise == DigressNoise(alpha_bar=0.5, transition="uniform")
    assert settings.model == GnnConfig(layers=2)
    assert (settings.trainer.cpu_threads, settings.trainer.steps, settings.seed) == (None, 5, 3)
    assert settings.output_dir == Path("/somewhere")
    assert settings.resume_from == Path("/somewhere/last.ckpt")


def test_keys_of_the_runner_change_nothing() -> None:
    runner = {"experiment": {"_target_": "x:y"}, "run_id": "r", "stage": "s", "output_dir": None}
    assert parse_settings(runner) == Settings()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sed": 1}, "unknown key at the top of the config: sed; known keys: criteria, data"),
        ({"trainer": {"step": 1}}, "unknown key under 'trainer': step; known keys: .* steps"),
        ({"data": {"x": 1, "a": 1}}, "unknown keys under 'data': a, x; known keys: blocks"),
        ({"model": {"name": "mlp"}}, "model.name is 'mlp'; known names: linear_pe, filter_bank"),
        ({"noise": {"name": 3}}, "noise.name is 3; known names: flip, digress, gaussian"),
        ({"noise": {"name": "gaussian", "eps": 0.1}}, "unknown key under 'noise': eps"),
        ({"data": 5}, "data is 5; expected a group of keys"),
        ({"trainer": {"steps": 2.5}}, "trainer.steps is 2.5; expected a whole number"),
        ({"trainer": {"steps": True}}, "trainer.steps is True; expected a whole number"),
        ({"trainer": {"steps": "5"}}, "trainer.steps is '5'; expected a whole number"),
        ({"trainer": {"learning_rate": None}}, "trainer.learning_rate is None; expected a number"),
        ({"trainer": {"clip_norm": 10**400}}, "trainer.clip_norm is 1000*; expected a number"),
        ({"trainer": {"cpu_threads": "all"}}, "trainer.cpu_threads is 'all'; expected a whole"),
        ({"trainer": {"logger": "mlflow"}}, "expected one of csv, tensorboard, wandb"),
        ({"data": {"blocks": 2}}, "data.blocks is 2; expected a list of a whole number values"),
        ({"data": {"blocks": [2, 2.5]}}, "data.blocks is 2.5; expected a whole number"),
        ({"output_dir": 5}, "output_dir is 5; expected text"),
        ({"trainer": {"steps": 0}}, "trainer.steps is 0; give 1 or more"),
        ({"trainer": {"cpu_threads": 0}}, "trainer.cpu_threads is 0; give 1 or more"),
        ({"trainer": {"learning_rate": 0}}, "trainer.learning_rate is 0.0; give a number above 0"),
        ({"trainer": {"clip_norm": float("inf")}}, "trainer.clip_norm is inf"),
        ({"trainer": {"weight_decay": -1}}, "trainer.weight_decay is -1.0; give 0 or more"),
        ({"data": {"validation_graphs": 0}}, "data.validation_graphs is 0; give 1 or more"),
        ({"data": {"validation_seed": -1}}, "data.validation_seed is -1; a seed must be from 0"),
        ({"seed": 2**32}, "seed is 4294967296; a seed must be from 0 to 4294967295"),
        ({"model": {"k": 33}}, "model.k is 33; a graph of data.n=32 nodes has 1 to 32"),
        ({"model": {"k": 0}}, "model.k is 0"),
        ({"data": FIXED_PAIR}, "trainer.batch_size is 64 with data.protocol=fixed_pair"),
    ],
)
def test_a_config_that_cannot_be_is_refused_with_what_would_be_right(
    config: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings(config)


@given(
    config=st.dictionaries(
        st.sampled_from(["data", "noise", "model", "trainer", "seed", "output_dir"])
        | st.text(max_size=5),
        st.none()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.dictionaries(
            st.sampled_from(["name", "n", "k", "blocks", "eps", "steps"]) | st.text(max_size=5),
            st.none() | st.integers() | st.floats() | st.lists(st.integers(), max_size=2),
        ),
    )
)
def test_any_mapping_gives_settings_or_a_config_error(config: dict[str, object]) -> None:
    try:
        settings = parse_settings(config)
    except ConfigError:
        return
    assert isinstance(settings, Settings)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"noise": {"name": "gaussian", "sigma": 1e-200}}, "noise.sigma is 1e-200"),
        ({"noise": {"name": "gaussian", "sigma": 1e200}}, "noise.sigma is 1e[+]200"),
        ({"noise": {"eps": 1e-320}}, "noise.eps is 1e-320"),
        ({"noise": {"name": "flip_range", "low": 1e-320}}, "noise.low is 1e-320"),
        (
            {"noise": {"name": "digress"}, "data": {"p_in": 0.0, "p_out": 0.0}},
            "density of the graphs is 0.0",
        ),
    ],
)
def test_a_noise_whose_evidence_is_no_number_is_refused(
    config: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings(config)
