"""docs/modal.md shows the options and GPUs there are, and its examples do what they say."""

import re

from tests.docs.modal_tables import PAGE, with_tables
from tmgg.experiment_utils.cloud import ModalConfig
from tmgg.experiment_utils.cloud.modal import calls, config, runner
from tmgg.hydra_plugins.launcher_options import known_keys

TEXT = PAGE.read_text()


def test_the_tables_are_up_to_date() -> None:
    assert with_tables(TEXT) == TEXT, "run python -m tests.docs.modal_tables"


def test_every_launcher_key_on_the_page_is_one() -> None:
    named = set(re.findall(r"hydra\.launcher\.(\w+)=|`(modal_\w+)[`:=]", TEXT))
    keys = {one or other for one, other in named}
    keys -= {ModalConfig().output_dir}
    assert keys
    assert keys <= set(known_keys())


def test_the_times_on_the_page_are_the_codes() -> None:
    assert f"given up after {calls.ASK_WITHIN_S:.0f} seconds" in TEXT
    assert f"at most {runner.SHOWS_ITSELF_WITHIN_S / 60:.0f} minutes" in TEXT
    assert config.MARGIN_S == 600
    assert "ten minutes above it" in TEXT
