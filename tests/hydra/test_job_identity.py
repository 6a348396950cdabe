"""What a job of a Hydra app is, wherever and whenever it is launched."""

import os
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from tmgg.experiment_utils.identity.programs import Program, Programs
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.hydra_plugins.hydra_job import JOB_DIR_KEY, JOB_SUBDIR_KEY
from tmgg.hydra_plugins.job_identity import identify_job
from tmgg.hydra_plugins.resolving import as_in_job, config_for_record

pytestmark = pytest.mark.usefixtures("hydra_state", "resolvers_forgotten")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "App":
    monkeypatch.chdir(tmp_path)
    setup_globals()
    return App(tmp_path / "conf")


class App:
    """The config files of an app."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def job(self, *overrides: str, sweep_dir: str = "multirun/A", number: int = 0) -> DictConfig:
        """The config of a job."""
        with initialize_config_dir(str(self._folder), version_base="1.3"):
            asked = [f"hydra.sweep.dir={sweep_dir}", *overrides]
            config = compose("app", overrides=asked, return_hydra_config=True)
        with open_dict(config.hydra.job):
            config.hydra.job.num = number
            config.hydra.job.id = str(number)
        return config

    def identity(self, *overrides: str, sweep_dir: str = "multirun/A", number: int = 0) -> Identity:
        return identified(self.job(*overrides, sweep_dir=sweep_dir, number=number))


def identified(config: DictConfig) -> Identity:
    with as_in_job(config, JOB_DIR_KEY, JOB_SUBDIR_KEY):
        program = Program(name="app", label="app.py")
        record = config_for_record(config)
        return identify_job(config, record, program, Programs(), is_own_app=False)[0]


def keys(app: App, *overrides: str, **more: Any) -> set[str]:
    """Of the same job in two sweep folders."""
    return {
        app.identity(*overrides, sweep_dir=folder, **more).key for folder in ("multirun/A", "B")
    }


GROUP = "dir: ${hydra:sweep.dir}/logs\n"


@pytest.mark.parametrize("chosen", ["logger=csv", "+other/logger@logger=csv"])
def test_a_place_in_the_file_of_a_group_is_not_given_on_the_command_line(
    app: App, chosen: str
) -> None:
    app.write("app.yaml", "x: 1\n" if "@" in chosen else "defaults:\n  - logger: tb\n")
    for name in ("logger/csv.yaml", "logger/tb.yaml", "other/logger/csv.yaml"):
        app.write(name, GROUP)

    assert len(keys(app, chosen)) == 1


@pytest.mark.parametrize(
    "given",
    [
        "logger.dir=${hydra:sweep.dir}/mine",
        "logger={dir: '${hydra:sweep.dir}/mine'}",
        "+new=${hydra:sweep.dir}/mine",
    ],
)
def test_a_place_that_is_given_on_the_command_line_counts(app: App, given: str) -> None:
    app.write("app.yaml", "defaults:\n  - logger: csv\n")
    app.write("logger/csv.yaml", GROUP)

    assert len(keys(app, given)) == 2


@pytest.mark.parametrize(
    ("value", "has_id"),
    [
        ("/data/job.identity", False),
        ("out/hydra.job.id", False),
        ("out/${hydra.job.id}", True),
        ("out/${hydra:job.id}", True),
        ("out/${name}", True),
    ],
)
def test_a_sweep_folder_is_known_unless_the_backends_id_is_part_of_it(
    app: App, value: str, has_id: bool
) -> None:
    app.write("app.yaml", "name: run-${hydra:job.id}\n")

    found = app.identity(sweep_dir=value)

    assert (found.sweep_folder is None) is has_id
    assert (found.folder is None) is has_id


def test_with_the_id_in_the_subfolder_the_sweep_folder_alone_is_known(app: App) -> None:
    app.write("app.yaml", "x: 1\n")

    found = app.identity("hydra.sweep.subdir='${hydra.job.id}'", sweep_dir="/sweeps/a")

    assert (found.sweep_folder, found.folder) == ("/sweeps/a", None)


def test_a_resolver_that_needs_a_real_number_has_it(app: App) -> None:
    OmegaConf.register_new_resolver("who", lambda names, number: names[number])
    app.write(
        "app.yaml",
        "names: [a, b]\nplaces: ['${hydra:sweep.dir}/a', '${hydra:sweep.dir}/b']\n"
        "name: ${who:${names},${hydra:job.num}}\nplace: ${who:${places},${hydra:job.num}}\n",
    )

    first, second = keys(app, number=0), keys(app, number=1)

    assert len(first) == len(second) == 1
    assert first != second


def test_what_a_resolver_with_a_cache_gave_for_names_is_not_in_the_jobs_config(app: App) -> None:
    OmegaConf.register_new_resolver(
        "log_dir", lambda: f"{HydraConfig.get().runtime.output_dir}/logs", use_cache=True
    )
    app.write("app.yaml", "x: 1\n")
    config = app.job("+hydra.job.env_set.LOGS='${log_dir:}'", sweep_dir="/sweeps/a")

    identified(config)

    with as_in_job(config, JOB_DIR_KEY, JOB_SUBDIR_KEY):
        assert config.hydra.job.env_set.LOGS == "/sweeps/a/0/logs"


@pytest.mark.parametrize(
    "place",
    [
        "${hydra:runtime.output_dir}/ck",
        "${hydra:sweep.dir}/ck",
        "${hydra:sweep.dir}/ck_${hydra:job.num}",
    ],
)
def test_a_resolver_that_makes_a_folder_makes_the_jobs_own_and_no_other(
    app: App, tmp_path: Path, place: str
) -> None:
    made: list[str] = []

    def make(path: str) -> str:
        Path(path).mkdir(parents=True, exist_ok=True)
        made.append(path)
        return path

    OmegaConf.register_new_resolver("mkdir", make)
    app.write("app.yaml", f"ck: ${{mkdir:{place}}}\n")

    assert len(keys(app)) == 1

    assert made
    assert all(Path(path).absolute().is_relative_to(tmp_path) for path in made)
    names = {path.name for path in tmp_path.rglob("*")}
    assert names <= {"conf", "app.yaml", "multirun", "A", "B", "0", "ck", "ck_0"}


@pytest.mark.parametrize(
    "place",
    [
        "run_${hydra:job.id}",
        "run_${now:%Y}",
        "${hydra:sweep.subdir}/run",
        "${number:${hydra:job.num}}/${now:%Y}",
    ],
)
def test_no_folder_is_made_for_the_name_of_an_id_a_time_or_a_number(
    app: App, tmp_path: Path, place: str
) -> None:
    OmegaConf.register_new_resolver("mkdir", os.makedirs)
    OmegaConf.register_new_resolver("number", lambda number: f"fold_{number:02d}")
    app.write("app.yaml", f"ck: ${{mkdir:{place}}}\n")

    app.identity()

    assert not [path for path in tmp_path.rglob("*") if "<" in path.name or "86400" in path.name]


def test_what_resolvers_make_of_places_and_times_is_the_same_in_every_launch(app: App) -> None:
    OmegaConf.register_new_resolver("base", lambda path: Path(path).resolve().name)
    OmegaConf.register_new_resolver("upper", lambda text: text.upper())
    app.write(
        "app.yaml",
        "a: ${base:${hydra:sweep.dir}}\nb: ${upper:${now:%f}}\nc: ${upper:${hydra:job.id}}\n"
        "d: ${now:%Y}_${hydra:job.num}\n",
    )

    assert len(keys(app)) == 1
    assert keys(app) == keys(app, number=1)
