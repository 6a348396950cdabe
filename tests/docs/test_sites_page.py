"""docs/sites.md is what the sites' files say, and its launcher files are valid."""

import re

import pytest
import yaml

from slurm_cluster.site import find_site, site_names
from tests.docs.site_page import PAGE, render_page
from tmgg.hydra_plugins.launcher_options import parse_options


def test_the_page_is_current() -> None:
    # Otherwise: python -m tests.docs.site_page
    assert PAGE.read_text() == render_page()


def test_the_page_has_a_launcher_file_for_each_site() -> None:
    files = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert files == [find_site(name).launcher_yaml for name in site_names()]


@pytest.mark.parametrize("name", site_names())
def test_the_launcher_file_is_valid(name: str) -> None:
    settings = yaml.safe_load(find_site(name).launcher_yaml)
    assert settings.pop("defaults") == ["tmgg_slurm", "_self_"]
    options = parse_options({"use_slurm": True, **settings})
    assert options.backend == "slurm"
    options.make_runner()  # checks the fields of SlurmConfig


@pytest.mark.parametrize("name", site_names())
def test_the_file_needs_no_template_of_ones_own(name: str) -> None:
    assert "slurm_script_template" not in find_site(name).launcher
