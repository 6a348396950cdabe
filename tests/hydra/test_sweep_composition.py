"""What the sweep's loader composes is what Hydra composes, to the last flag; or it is Hydra's."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.types import RunMode
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, Node

from tmgg.hydra_plugins.sweep_composition import SweepConfigLoader, for_sweeps

pytestmark = pytest.mark.usefixtures("hydra_state")

CONFIGS = {
    "config.yaml": """
        defaults:
          - typed_schema
          - model: small
          - optional place: null
          - _self_
        x: 2
        lr: 0.1
        same_lr: ${lr}
        name: run-${x}-${model.size}
        now: ${now:%H-%M-%S.%f}
        later: ${now:later %H-%M-%S.%f}
        alias: ${model}
        must: ???
        nothing: null
        layers: [1, 2, "${x}"]
        deep: {er: {value: 1, other: "${deep.er.value}"}}
        typed: {count: 3}
        separator: ','
        variable: PATH
        dirname: ${hydra.job.override_dirname}
        runtime: ${hydra.runtime}
        hydra:
          sweep: {dir: "out/${x}", subdir: "${hydra.job.num}_${hydra.job.override_dirname}"}
          job:
            config: {override_dirname: {item_sep: "${separator}", exclude_keys: [must]}}
    """,
    "model/small.yaml": "size: 1\nkind: small",
    "model/large.yaml": "defaults: [/place@where: here, _self_]\nsize: 10\nlr: ${lr}",
    "place/here.yaml": "floor: 1\nsize_there: ${model.size}",
    "place/there.yaml": "# @package _global_\nlr: 7\nx: ${model.size}",
}
HYDRA_OVERRIDES = (
    "hydra.sweep.subdir='${hydra.job.num}-${hydra.job.override_dirname}'",
    "hydra.job.name=fixed",
    "+hydra.job.env_set.A='1'",
    "hydra.verbose=true",
)


@dataclass
class Typed:
    """A part of the config with types."""

    count: int = 1
    table: dict[str, float] = field(default_factory=lambda: {"a": 1.0})
    path: Path = Path("/here")


@dataclass(frozen=True)
class Sweep:
    """A sweep's own config, and the two loaders."""

    master: DictConfig
    own: ConfigLoaderImpl
    fast: SweepConfigLoader

    def both(self, lines: list[str]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What each makes of a job's overrides: all there is in the config, or the error."""
        return self._outcome(self.own, lines), self._outcome(self.fast, lines)

    def has_start(self, lines: list[str]) -> bool:
        return self.fast._from_start(self.master, lines) is not None

    def _outcome(self, loader: ConfigLoaderImpl, lines: list[str]) -> tuple[Any, ...]:
        try:
            return anatomy(loader.load_sweep_config(self.master, list(lines)))
        except Exception as error:
            return type(error), str(error), type(error.__cause__), str(error.__cause__)


@pytest.fixture
def sweep(tmp_path: Path, hydra_state: None) -> Sweep:
    """Configs with groups, schemas, interpolations, a resolver that is never twice the same."""
    version.setbase("1.3")
    for name, text in CONFIGS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = text.splitlines()
        indent = 8 if text.startswith("\n") else 0
        path.write_text("\n".join(line[indent:] for line in lines))
    ConfigStore.instance().store("typed_schema", {"typed": Typed})
    own = ConfigLoaderImpl(create_config_search_path(str(tmp_path)))
    master = Hydra(task_name="app", config_loader=own).compose_config(
        "config", [*HYDRA_OVERRIDES, "x=1,2", "must=0"], RunMode.MULTIRUN, from_shell=False
    )
    assert master.now  # in the resolvers' cache from here on
    fast = for_sweeps(own)
    assert isinstance(fast, SweepConfigLoader)
    return Sweep(master, own, fast)


def anatomy(node: Node) -> tuple[Any, ...]:
    """Everything that makes a config what it is, as plain values."""
    metadata = dict(vars(node._metadata))
    content = node.__dict__["_content"] if isinstance(node, DictConfig | ListConfig) else None
    if isinstance(content, dict):
        inner: Any = [(key, anatomy(child)) for key, child in content.items()]
    elif isinstance(content, list):
        inner = [anatomy(child) for child in content]
    else:
        inner = node._value()
    return type(node), sorted(metadata.items(), key=lambda item: item[0]), inner


PLAIN = [
    ["x=5", "must=1"],
    ["must=1", "x=5"],
    ["lr=0.5", "name=fixed"],
    ["same_lr=3"],
    ["model=large", "model.size=4"],
    ["model=large", "place=there"],
    ["+new=1", "+deep.new.leaf=[1,{a:2}]"],
    ["++x=7", "++deep.er.value=3", "++brand.new=1"],
    ["~lr", "~deep.er.other"],
    ["~x=2"],
    ["~model"],
    ["layers=[3]", "nothing=1"],
    ["name='${x} or \\'${lr}\\''"],
    ['name="a,b"', "x=str(3)"],
    ["typed.count=5", "typed.path=/there", "+typed.table.b=2"],
    ["deep={er:{value:9}}", "x=null"],
    ["+place@elsewhere=here"],
    ["x=1", "x=2"],
    ["model.size=4", "model={size:3}"],
    ["++runtime.cwd=/elsewhere"],
    ["separator=:", "x=1", "lr=2"],
    [],
]


@pytest.mark.parametrize("lines", PLAIN, ids=" ".join)
def test_what_hydra_composes_is_composed_the_same(sweep: Sweep, lines: list[str]) -> None:
    hydras, ours = sweep.both(lines)

    assert hydras[0] is DictConfig
    assert hydras == ours


ERRORS = {
    "absent": ["model=absent"],
    "no such key": ["nothing_such=1"],
    "struct": ["deep.er.typo=1"],
    "there already": ["+x=1"],
    "nothing to delete": ["~nope"],
    "another value": ["~x=3"],
    "type": ["typed.count=many"],
    "no group": ["x@here=1"],
    "force-add of a group": ["++model=large"],
    "group not in the list": ["place@elsewhere=here"],
    "grammar": ["x=[1"],
    "sweep": ["x=1,2"],
    "interpolation": ["x=${"],
    "reads what is not there yet": ["~dirname"],
    "element": ["layers.7=1"],
}


@pytest.mark.parametrize("lines", ERRORS.values(), ids=ERRORS.keys())
def test_what_hydra_refuses_is_refused_in_its_words(sweep: Sweep, lines: list[str]) -> None:
    hydras, ours = sweep.both(lines)

    assert issubclass(hydras[0], Exception)
    assert hydras == ours


KEYS = [
    "x", "lr", "same_lr", "name", "alias", "alias.size", "must", "nothing", "layers",
    "layers.1", "layers.2", "deep", "deep.er", "deep.er.value", "deep.er.other", "typed",
    "typed.count", "typed.table", "typed.table.a", "typed.path", "model", "model.size",
    "model.lr", "model.kind", "place", "place@where", "place@other", "where.floor", "separator",
    "new", "new.inner", "experiment", "hydra.job.name", "hydra.sweep.dir", "hydra",
    "hydra.job.env_copy",
]  # fmt: skip
VALUES = [
    "1", "0.5", "null", "true", "text", "'quo ted'", '"${x}"', "${lr}", "${model}", "${nope}",
    "[1,2]", "[]", "{a:1}", "{}", "{value:${x}}", "small", "large", "here", "there", "[here,there]",
    "???", "'a,b'", "int(3.0)", "str([1])", "1,2", "range(1,3)", "", "'\\${x}'",
    "${hydra.job.name}", "${hydra:job.num}", "/some/path", "1e-3", "-inf",
]  # fmt: skip


SENSIBLE = [
    "x={}", "lr={}", "same_lr={}", "name={}", "must={}", "nothing={}", "separator={}",
    "deep.er.value={}", "deep.er.other={}", "++lr={}", "+new={}", "+new.inner={}", "++other.a={}",
    "layers=[{}]", "typed.count=4", "model.size={}", "~nothing", "~deep.er.other", "model=large",
    "model=small", "+place=there", "+place@other=here", "place=there", "+typed.table.b=0.5",
]  # fmt: skip


@st.composite
def sensible_lines(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(SENSIBLE)).format(draw(st.sampled_from(VALUES[:9])))


@st.composite
def any_lines(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(["", "+", "++", "~"]))
    key, value = draw(st.sampled_from(KEYS)), draw(st.sampled_from(VALUES))
    return f"{prefix}{key}={value}"


JOBS = st.one_of(
    st.lists(sensible_lines(), min_size=1, max_size=5),
    st.builds(
        lambda before, line, after: [*before, line, *after],
        st.lists(sensible_lines(), max_size=2),
        any_lines(),
        st.lists(sensible_lines(), max_size=2),
    ),
)
generated = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@generated
@given(JOBS)
def test_any_overrides_end_as_with_hydra(sweep: Sweep, lines: list[str]) -> None:
    check(sweep, lines)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(generated, max_examples=1000)
@given(JOBS)
def test_thousands_of_overrides_end_as_with_hydra(sweep: Sweep, lines: list[str]) -> None:
    check(sweep, lines)


def check(sweep: Sweep, lines: list[str]) -> None:
    hydras, ours = sweep.both(lines)

    assert hydras == ours
    # What the generated lists cover: pytest --hypothesis-show-statistics
    event(f"{hydras[0].__name__}, {'from a start' if sweep.has_start(lines) else 'from files'}")


def test_hydra_composes_from_files_once_for_each_choice_of_groups(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_files = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def counted(
        loader: ConfigLoaderImpl, config_name: str, overrides: list[str], **more: Any
    ) -> Any:
        from_files.append(overrides)
        return compose(loader, config_name, overrides, **more)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    for x in range(20):
        for model in ("small", "large"):
            sweep.fast.load_sweep_config(sweep.master, [f"model={model}", f"x={x}", "must=1"])

    assert from_files == [[*HYDRA_OVERRIDES, f"model={model}"] for model in ("small", "large")]


def test_a_sweep_config_with_other_hydra_overrides_is_another_start(sweep: Sweep) -> None:
    sweep.fast.load_sweep_config(sweep.master, ["x=1"])
    sweep.master.hydra.overrides.hydra.append("hydra.job.name=other")

    assert sweep.fast.load_sweep_config(sweep.master, ["x=1"]).hydra.job.name == "other"


def test_what_hydra_makes_from_values_later_is_left_to_hydra(sweep: Sweep) -> None:
    sweep.master.hydra.overrides.hydra.append("hydra.job.env_copy=['${variable}']")

    hydras, ours = sweep.both(["variable=HOME", "must=1"])

    assert hydras[0] is DictConfig
    assert hydras == ours


def test_what_the_sweeps_config_resolved_meanwhile_holds_for_later_jobs(sweep: Sweep) -> None:
    sweep.both(["x=1"])
    assert sweep.master.later  # in the resolvers' cache from here on

    hydras, ours = sweep.both(["x=2"])

    assert hydras == ours


def test_a_config_that_cannot_be_pickled_is_copied_all_the_same(sweep: Sweep) -> None:
    @dataclass
    class Local:
        size: int = 3

    ConfigStore.instance().store("local", Local, group="model")

    hydras, ours = sweep.both(["model=local", "model.size=4", "must=1"])

    assert sweep.has_start(["model=local"])
    assert hydras == ours


def test_in_a_job_it_is_hydras_own_loader(sweep: Sweep) -> None:
    travelled = cloudpickle.loads(cloudpickle.dumps(sweep.fast))

    assert type(travelled) is ConfigLoaderImpl


def test_a_loader_that_is_not_hydras_own_is_left_alone(sweep: Sweep) -> None:
    assert for_sweeps(sweep.fast) is sweep.fast
