"""A launcher file with `defaults`, read by `tmgg-jobs` as Hydra reads it in an app."""

import re
from pathlib import Path

import pytest
import yaml

from slurm_cluster.site import find_site, site_names
from tests.docs.examples import WriteFile, parse_examples
from tmgg.cli.launcher_file import make_slurm_runner, read_options
from tmgg.errors import ConfigError
from tmgg.hydra_plugins.composed_launcher import compose_launcher
from tmgg.hydra_plugins.launcher_options import launcher_table
from tmgg.hydra_plugins.profiles import profile_file

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = [
    (page.name, step)
    for page in sorted(DOCS.glob("*.md"))
    for step in parse_examples(page)
    if isinstance(step, WriteFile) and "hydra/launcher/" in step.name
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test works; the user's profiles are below it, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    return tmp_path


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(text)
    return file


def test_the_docs_show_launcher_files_in_several_pages() -> None:
    assert {"tutorial.md", "hydra.md", "slurm.md"} <= {page for page, _step in SHOWN}
    assert any("defaults: [tmgg_slurm, _self_]" in step.text for _page, step in SHOWN)


@pytest.mark.parametrize(
    ("page", "step"), SHOWN, ids=[f"{page}:{step.name}" for page, step in SHOWN]
)
def test_each_launcher_file_of_the_docs_can_be_examined(
    folder: Path, page: str, step: WriteFile
) -> None:
    partition = re.search(r"^slurm_partition: (.+)$", step.text, re.MULTILINE)
    assert partition is not None, page

    runner = make_slurm_runner(write(folder / step.name, step.text), [])

    assert runner.config.partition == partition[1]


@pytest.mark.parametrize("name", site_names())
def test_each_sites_launcher_file_can_be_examined(folder: Path, name: str) -> None:
    text = find_site(name).launcher_yaml
    settings = {key: value for key, value in yaml.safe_load(text).items() if key != "defaults"}

    found = read_options(write(folder / "my_site.yaml", text), [])

    assert found == launcher_table("slurm") | settings


@pytest.mark.parametrize("place", ["conf/hydra/launcher/my.yaml", "my.yaml", "it's = a, b.yaml"])
def test_what_the_file_does_not_say_is_that_of_its_defaults(folder: Path, place: str) -> None:
    file = write(folder / place, "defaults: [tmgg_slurm, _self_]\nslurm_nodes: 7\n")

    assert compose_launcher(file) == launcher_table("slurm") | {"slurm_nodes": 7}


def test_the_base_may_lie_beside_the_file_or_among_the_profiles(folder: Path) -> None:
    write(profile_file("site"), "defaults: [tmgg_slurm, _self_]\nslurm_account: physics\n")
    write(folder / "team.yaml", "defaults: [site, _self_]\nslurm_qos: long\n")
    mine = write(folder / "mine.yaml", "defaults: [team, _self_]\nslurm_nodes: 2\n")

    config = make_slurm_runner(mine, ["slurm_nodes=3"]).config

    assert (config.account, config.qos, config.nodes) == ("physics", "long", 3)


def test_a_profile_is_found_by_its_name(folder: Path) -> None:
    write(profile_file("o"), "defaults: [tmgg_slurm]\nslurm_partition: batch\n")

    assert make_slurm_runner(Path("o"), []).config.partition == "batch"


def test_the_order_of_the_defaults_counts_as_in_hydra(folder: Path) -> None:
    first = "defaults: [_self_, tmgg_slurm]\nslurm_nodes: 7\n"

    assert compose_launcher(write(folder / "a.yaml", first))["slurm_nodes"] == 4


def test_keys_that_name_other_keys_are_resolved_where_they_can_be(folder: Path) -> None:
    text = "defaults: [tmgg_slurm]\nslurm_comment: ${.slurm_partition}\nslurm_qos: ${app.qos}\n"

    found = compose_launcher(write(folder / "a.yaml", text))

    assert (found["slurm_comment"], found["slurm_qos"]) == ("gpu", "${app.qos}")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "defaults: [nowhere]\n", "hydra/launcher/nowhere'. Launchers are looked for in"),
        ("a.yaml", "defaults: 3\n", "cannot be composed: .*must be a list"),
        ("a.yaml", "defaults: [tmgg_slurm, override x: 4]\n", "cannot be composed"),
        ("a.yaml", "defaults: [a]\n", "lead in a circle"),
        ("tmgg_slurm.yaml", "defaults: [tmgg_slurm]\n", "lead in a circle"),
        ("a.yml", "defaults: [tmgg_slurm]\n", "end with .yaml; rename it"),
        ("a.yaml", "defaults: [tmgg_slurm]\nslurm_partitoin: x\n", "mean slurm_partition"),
        ("a.yaml", "defaults: [tmgg_local]\n", "for the local backend"),
    ],
)
def test_a_file_that_hydra_could_not_compose_is_refused(
    folder: Path, name: str, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make_slurm_runner(write(folder / name, text), [])

    assert "/tmgg-launcher-" not in str(refused.value)
