"""Which variables that code reads by name may change what it computes."""

import pytest

from tmgg.experiment_utils.identity.read_environment import counts, may_be_secret, what_is_read


@pytest.mark.parametrize(
    "name",
    [
        "LR", "TOKEN_LIMIT", "MAX_TOKENS", "MODULE_TYPE", "MODULES", "LIPID", "RAPID", "TEMP",
        "WINDOW", "WINDSOCK", "LS_EPS", "LC_WEIGHT", "TERM_WEIGHT", "LESS_DATA", "SECRET_SAUCE",
        "VIRTUAL_BATCH_SIZE", "PASSWORD_LENGTH",
    ],
)  # fmt: skip
def test_parameters_count_though_their_names_begin_or_end_like_a_sessions(name: str) -> None:
    assert counts(name)
    assert len(what_is_read([name], {name: "1"})) == 1
    assert what_is_read([name], {name: "1"}) != what_is_read([name], {name: "2"})


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "WANDB_API_KEY", "APIKEY", "OPENAI_API_KEY_2", "DB_PASSWORD", "SECRET",
        "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
        "GOOGLE_APPLICATION_CREDENTIALS", "wandb_api_key",
    ],
)  # fmt: skip
def test_a_secret_does_not_count(name: str) -> None:
    assert not counts(name)
    assert may_be_secret(name)
    assert what_is_read([name], {name: "1"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_JOB_ID", "HOSTNAME", "PID", "GPG_PID", "SSH_AGENT_PID", "SSH_AUTH_SOCK", "TMPDIR",
        "MODULEPATH", "MODULESHOME", "MODULES_CMD", "LOADEDMODULES", "LC_ALL", "LS_COLORS",
        "LESSOPEN", "TERM", "TERM_PROGRAM", "VIRTUAL_ENV", "WINDOWID", "LOCAL_RANK",
    ],
)  # fmt: skip
def test_what_a_session_sets_does_not_count(name: str) -> None:
    assert not counts(name)


def test_a_text_with_a_secrets_name_is_hidden_rather_once_too_often() -> None:
    assert may_be_secret("token_value")
    assert not may_be_secret("max_tokens")
