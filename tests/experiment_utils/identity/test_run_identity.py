"""What makes two runs the same one, and what does not."""

import copy
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tmgg.experiment_utils.identity.fingerprints import fingerprint
from tmgg.experiment_utils.identity.program_code import ProgramCode
from tmgg.experiment_utils.identity.programs import Program, program_named, program_of
from tmgg.experiment_utils.identity.run_identity import (
    Identity,
    counted,
    differences,
    flatten,
    identity_of_task,
    make_identity,
)
from tmgg.experiment_utils.identity.source_code import parse_imports
from tmgg.experiment_utils.run_folder.task import prepare_config

_scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
_configs = st.dictionaries(st.sampled_from("abcdefg"), _values, max_size=4)
_texts = st.dictionaries(st.sampled_from(["x", "y"]), st.text(max_size=3), max_size=2)


def make(
    config: dict[str, Any], program: str = "p:f", *, source: str | None = None, **more: Any
) -> Identity:
    return make_identity(Program(name=program, label=program, source=source), config=config, **more)


@given(_configs, _texts)
def test_equal_content_has_one_key_whatever_its_order_places_and_code(
    config: dict[str, Any], around: dict[str, str]
) -> None:
    turned = dict(reversed(list(config.items())))
    one = make(config, surroundings=around, source="1", folder="/a")
    other = make(copy.deepcopy(turned), surroundings=around, source="2", folder="/b")
    assert one.key == other.key
    assert Identity.from_json(json.loads(json.dumps(one.to_json()))).key == one.key


@given(_configs, _configs, st.sampled_from(["p:f", "q:f"]), _texts, st.none() | st.text(max_size=2))
def test_any_other_value_program_environment_or_argument_is_another_run(
    one: dict[str, Any],
    other: dict[str, Any],
    program: str,
    around: dict[str, str],
    arguments: str | None,
) -> None:
    first = make(one)
    second = make(other, program=program, surroundings=around, arguments=arguments)
    # NaN is equal to itself here, and 1, 1.0 and True are three values.
    is_same = json.dumps([one, "p:f", {}, None], sort_keys=True) == json.dumps(
        [other, program, around, arguments], sort_keys=True
    )
    assert (first.key == second.key) is is_same
    named = differences(counted(first, one), counted(second, other))
    if [*flatten(one)] != [*flatten(other)] or is_same:
        assert bool(named) is not is_same or _only_by_nesting(one, other)


def _only_by_nesting(one: Any, other: Any) -> bool:
    """Whether names cannot tell them apart, as {"a.b": 1} and {"a": {"b": 1}}."""
    return sorted(map(str, flatten(one))) == sorted(map(str, flatten(other)))


@given(_values, _values)
def test_values_with_one_fingerprint_are_equal(one: Any, other: Any) -> None:
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) is is_same


def test_what_cannot_be_compared_is_never_the_same() -> None:
    unspeakable = (number for number in range(3))
    assert fingerprint([unspeakable]) != fingerprint([unspeakable])


def test_the_difference_between_two_runs_is_reported_by_name() -> None:
    recorded = {"lr": 1, "paths": {"out": "/today/0"}, "layers": [1, 2], "output_dir": "/o"}
    counts = {"lr": 1, "paths": {"out": "<place>"}, "layers": [1, 2]}
    one = make(counts, recorded=recorded)
    later = {**recorded, "paths": {"out": "/tomorrow/5"}, "output_dir": None}
    same = make(counts, recorded=later)
    assert one.key == same.key
    assert differences(counted(one, recorded), counted(same, later)) == []
    changed = {**later, "layers": [1, 3], "lr": 2}
    other = make({**counts, "layers": [1, 3], "lr": 2}, recorded=changed, surroundings={"env.A": 1})
    assert differences(counted(one, recorded), counted(other, changed)) == [
        "env.A", "layers[1]", "lr",
    ]  # fmt: skip


def test_tmggs_own_keys_do_not_count_in_a_task_of_its_own() -> None:
    target = "tmgg.experiments.denoising:run"
    one = identity_of_task(target, prepare_config({"x": 1, "run_id": "a", "output_dir": "/b"}))
    other = identity_of_task(target, prepare_config({"x": 1, "run_id": "c"}))
    assert one.key == other.key
    assert one.key != identity_of_task(target, {"x": 1}, payload=b"more").key
    assert one.source is not None


def _run(folder: Path, source: str) -> dict[str, Any]:
    """A script that prints its program as JSON."""
    (folder / "train.py").write_text(
        "import dataclasses, functools, json\n"
        "from tmgg.experiment_utils.identity.programs import program_of\n"
        f"{source}\n"
        "print(json.dumps(dataclasses.asdict(program_of(entry)), default=sorted))\n"
    )
    ended = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_a_scripts_program_is_its_file_and_what_is_bound_to_the_function(tmp_path: Path) -> None:
    made = "def make(n):\n    def inner(cfg):\n        return n\n    return inner\n"
    one = _run(tmp_path, f"{made}entry = make(1)")
    assert one["name"] == f"{(tmp_path / 'train.py').resolve()}:make.<locals>.inner"
    assert one["label"] == "train.py"
    again, other = (
        _run(tmp_path, f"{made}entry = make(1)"),
        _run(tmp_path, f"{made}entry = make(2)"),
    )
    assert again == one
    assert other["arguments"] != one["arguments"]
    plain = _run(tmp_path, "def main(cfg, n=1):\n    pass\nentry = main")
    assert plain["arguments"] is None
    bound = _run(tmp_path, "def main(cfg, n=1):\n    pass\nentry = functools.partial(main, n=2)")
    assert (bound["name"], bool(bound["arguments"])) == (plain["name"], True)


def test_equally_named_modules_of_two_projects_are_two_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for project in ("one", "two"):
        folder = tmp_path / project
        folder.mkdir()
        (folder / "identity_lab.py").write_text("def run(config):\n    return {}\n")
        monkeypatch.chdir(folder)
        found = program_named("identity_lab:run")
        assert found.source == ProgramCode(folder / "identity_lab.py", folder).of().source
        names.append(found.name)
    assert names[0] != names[1]
    assert program_named("nowhere.at_all:run") == Program(
        name="nowhere.at_all:run", label="nowhere.at_all"
    )


def test_the_functions_of_a_module_and_of_a_partial_are_one_program() -> None:
    assert program_of(prepare_config).name == "tmgg.experiment_utils.run_folder.task:prepare_config"
    bound = program_of(functools.partial(prepare_config, {"x": 1}))
    assert bound.name == program_of(prepare_config).name
    assert bound.arguments not in (
        None,
        program_of(functools.partial(prepare_config, {})).arguments,
    )


def test_the_code_of_a_program_is_what_it_imports_from_its_own_project(tmp_path: Path) -> None:
    files = {
        "train.py": "import json, lib.model as m\nfrom lib import (\n    data,  # ours\n)\n",
        "lib/__init__.py": "",
        "lib/model.py": "def f():\n    from . import deep\n",
        "lib/data.py": "from .. import above\n",
        "lib/deep.py": "import train\n",
        "unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    script = tmp_path / "train.py"
    found = {
        str(path.relative_to(tmp_path)) for path in ProgramCode(script, tmp_path).files([script])
    }
    assert found == set(files) - {"unused.py"}
    before = ProgramCode(script, tmp_path).of().source
    (tmp_path / "unused.py").write_text("x = 1")
    assert ProgramCode(script, tmp_path).of().source == before
    (tmp_path / "lib/deep.py").write_text("import train\nx = 1\n")
    assert ProgramCode(script, tmp_path).of().source != before
    assert ProgramCode(tmp_path / "gone.py", tmp_path).of().source is None


@given(st.text())
@settings(max_examples=50)
def test_any_text_has_imports_or_none(text: str) -> None:
    assert all(isinstance(name, str) for name in parse_imports(text))


def test_a_config_with_nodes_of_omegaconf_has_a_fingerprint() -> None:
    config = OmegaConf.create({"a": [1, {"b": 2}]})
    assert fingerprint(config) == fingerprint(copy.deepcopy(config))


def test_a_module_in_nested_namespace_packages_is_found_without_importing_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "outer_space/inner_space/lab.py"
    module.parent.mkdir(parents=True)
    module.write_text("def run(config): pass\n")
    found = program_named("outer_space.inner_space.lab:run")
    assert found.name == f"outer_space.inner_space.lab:run in {tmp_path}"
    assert found.source is not None
    assert "outer_space" not in sys.modules
    assert program_named("outer_space.inner_space:run").source is None


LAB = """
import functools

def deco(n):
    def around(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return n, function(*args, **kwargs)
        return inner
    return around

def g(x):
    return x

@deco(7)
def at_home(x):
    return x

def defl(n):
    def inner(x, y=n):
        return x, y
    return inner

def kwdefl(n):
    def inner(x, *, y=n):
        return x, y
    return inner

def marked(n):
    def inner(x):
        return x, inner.mark
    inner.mark = n
    return inner

def built(n):
    class Callable:
        k = n
        def __call__(self, x):
            return x, self.k
    return Callable()

def in_class(n):
    class Point:
        def __init__(self, x):
            self.x = x + n
    return Point

def mutual(n):
    def odd(x):
        return even(x - 1) if x else n
    def even(x):
        return odd(x - 1) if x else -n
    return even
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "identity_of_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path)
    import identity_of_lab  # type: ignore[import-not-found]

    yield identity_of_lab
    sys.modules.pop("identity_of_lab")


def what_counts(function: Any) -> str:
    found = program_of(function)
    return json.dumps([found.name, found.arguments, found.surroundings])


@pytest.mark.parametrize(
    "make_one", ["defl", "kwdefl", "marked", "built", "in_class", "mutual", "decorated"]
)
def test_what_goes_by_value_counts_whole(lab: Any, make_one: str) -> None:
    make = (lambda n: lab.deco(n)(lab.g)) if make_one == "decorated" else getattr(lab, make_one)
    assert what_counts(make(1)) == what_counts(make(1))
    assert what_counts(make(1)) != what_counts(make(2))
    assert fingerprint([make(1)]) == fingerprint([make(1)])
    assert fingerprint([make(1)]) != fingerprint([make(2)])


def test_a_function_of_a_module_is_that_modules_and_no_other_of_its_name_is(lab: Any) -> None:
    for function in (lab.g, lab.at_home):
        found = program_of(function)
        assert (found.arguments, found.surroundings) == (None, {})
    assert program_of(lab.at_home).name.startswith("identity_of_lab:at_home")
    assert what_counts(lab.deco(1)(lab.g)) != what_counts(lab.g)
    assert what_counts(lab.at_home.__wrapped__) != what_counts(lab.deco(7)(lab.g))


def test_the_object_of_a_bound_built_in_method_counts() -> None:
    assert what_counts({"a": 1}.get) == what_counts({"a": 1}.get)
    assert what_counts({"a": 1}.get) != what_counts({"a": 2}.get)


def test_the_globals_of_a_function_that_goes_by_value_count(lab: Any) -> None:
    function = eval("lambda x: x + NUMBER", vars(lab))
    lab.NUMBER = 1
    before = fingerprint(function)
    assert fingerprint(function) == before
    lab.NUMBER = 2
    assert fingerprint(function) != before
    lab.NUMBER = (each for each in "ab")
    assert fingerprint(function) != fingerprint(function)
