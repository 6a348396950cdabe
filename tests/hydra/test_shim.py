"""`hydra_plugins/tmgg_launcher.py`: both names of the launcher, and no harm to other apps."""

import importlib
import sys
import warnings
from types import ModuleType

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tmgg.hydra_plugins.launcher_options import TARGET, launcher_table, store_tables
from tmgg.hydra_plugins.tmgg_launcher import LaunchError, TmggLauncher

pytestmark = pytest.mark.usefixtures("hydra_state")
OTHER_NAME = "hydra_plugins.tmgg_launcher.TmggLauncher"


@pytest.mark.parametrize("target", [TARGET, OTHER_NAME])
def test_hydra_instantiates_the_launcher_by_both_names(target: str) -> None:
    launcher = _instantiate({"_target_": target, "use_local": True})

    assert isinstance(launcher, TmggLauncher)


def test_plain_instantiate_works_too() -> None:
    launcher = instantiate({"_target_": TARGET, "use_local": True})

    assert isinstance(launcher, TmggLauncher)


def test_no_other_class_outside_hydras_namespace_is_let_in() -> None:
    with pytest.raises(RuntimeError, match="not the hydra_plugins package"):
        _instantiate({"_target_": "tmgg.hydra_plugins.tmgg_launcher.Other"})


def test_a_second_scan_changes_nothing() -> None:
    def check() -> object:
        return Plugins.__dict__["is_in_toplevel_plugins_module"]

    before = check()
    Singleton._instances.pop(Plugins)
    Plugins.instance()

    assert check() is before
    assert isinstance(_instantiate({"_target_": OTHER_NAME, "use_local": True}), TmggLauncher)


def test_the_tables_are_stored_for_every_app() -> None:
    for backend in ("slurm", "local"):
        stored = ConfigStore.instance().load(f"hydra/launcher/tmgg_{backend}.yaml")

        assert OmegaConf.to_container(stored.node) == launcher_table(backend)


def test_what_is_stored_already_is_not_stored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[str] = []
    store = ConfigStore.instance()
    table = store.repo["hydra"]["launcher"].pop("tmgg_local.yaml")
    monkeypatch.setattr(ConfigStore, "store", lambda _self, name, **_: stored.append(name))
    store_tables()
    assert stored == ["tmgg_local"]

    store.repo["hydra"]["launcher"]["tmgg_local.yaml"] = table
    store_tables()
    assert stored == ["tmgg_local"]


def test_a_broken_tmgg_is_a_warning_and_other_apps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ModuleType("tmgg.hydra_plugins.launcher_options")
    monkeypatch.setitem(sys.modules, broken.__name__, broken)
    monkeypatch.setattr("tmgg.hydra_plugins.launcher_options", broken)
    Singleton._instances.pop(Plugins)

    with pytest.warns(UserWarning, match="TMGG's launcher cannot be loaded"):
        found = Plugins.instance().discover(Launcher)

    assert "BasicLauncher" in [item.__name__ for item in found]


def test_the_shim_is_a_namespace_package_member() -> None:
    package = importlib.import_module("hydra_plugins")

    assert package.__file__ is None


def test_options_are_checked_before_hydra_writes_anything() -> None:
    launcher = TmggLauncher(use_slurm=True, slurm_nods=2)
    context = HydraContext(config_loader=None, callbacks=None)  # type: ignore[arg-type]

    with pytest.raises(LaunchError, match="Did you mean slurm_nodes"):
        launcher.setup(hydra_context=context, task_function=print, config=OmegaConf.create())


def _instantiate(config: dict[str, object]) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store_tables()
    return Plugins.instance()._instantiate(OmegaConf.create(config))
