"""A prepared config is plain JSON that OmegaConf reads back as it was."""

import json
import subprocess
import sys
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tmgg.experiment_utils.run_folder.task import escape_interpolation, prepare_config

TRICKY = st.text(alphabet="\\${}ab: '\"?,[]")


@given(TRICKY)
@example("${x}")
@example("\\${x}")
@example("a\\\\${y} b\\")
@example("${a${b}}")
def test_text_with_dollar_braces_reaches_the_experiment_as_it_is(text: str) -> None:
    if text == "???":  # OmegaConf has no way to say this text
        return
    given_config = OmegaConf.create({"text": escape_interpolation(text)})

    sent = json.loads(json.dumps(prepare_config(given_config)))

    assert OmegaConf.create(sent).text == text


@given(st.dictionaries(st.text(), st.lists(TRICKY | st.none() | st.floats() | st.booleans())))
def test_preparing_a_prepared_config_changes_nothing(plain: dict[str, Any]) -> None:
    escaped = {
        key: [escape_interpolation(item) if isinstance(item, str) else item for item in items]
        for key, items in plain.items()
        if key != "hydra" and "???" not in items
    }
    once = prepare_config(OmegaConf.create(escaped))

    assert repr(prepare_config(once)) == repr(once)


def test_a_config_of_plain_values_needs_no_omegaconf() -> None:
    """A tenth of a second for each process that submits calls."""
    code = (
        "import sys; from tmgg.experiment_utils.run_folder.task import prepare_config;"
        "assert prepare_config({'call': 'f(1)'}) == {'call': 'f(1)'};"
        "sys.exit('omegaconf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
