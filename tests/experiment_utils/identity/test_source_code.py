"""What is read out of a source, and out of a config, that may be a module."""

from pathlib import Path

from tmgg.experiment_utils.identity.source_code import (
    names_in,
    parse_imports,
    parse_variables,
    read_source,
)


def test_the_modules_in_a_config_are_found_wherever_they_stand() -> None:
    config = {
        "experiment": {"_target_": "lab.train:run"},
        "parts": ["lab.model", {"of": "loader"}],
        "rate": 0.1,
        "note": "see lab.notes, and 3.14",
    }

    assert set(names_in(config)) == {"lab.train.run", "lab.model", "loader", "lab.notes"}


def test_a_text_that_holds_no_name_names_nothing() -> None:
    assert list(names_in(["", "two words", "0.5", "/data/set", None, True])) == []


def test_imports_are_found_in_all_their_forms() -> None:
    source = (
        "import os, lab.model as model\n"
        "from . import near\n"
        "from ..lab import (\n    first,\n    second,\n)\n"
        "importlib.import_module('lab.late')\n"
    )

    assert {"os", "lab.model", ".near", "..lab", "..lab.first", "..lab.second", "lab.late"} <= set(
        parse_imports(source)
    )


def test_variables_count_that_are_read_by_a_name_that_stands_there() -> None:
    source = 'os.environ["ONE"]; os.getenv("TWO"); "THREE" in os.environ; os.environ[name]\n'

    assert list(parse_variables(source)) == ["ONE", "TWO", "THREE"]


def test_an_edited_file_is_read_again_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("import one\n")
    before = read_source(file)
    assert read_source(file) is before

    file.write_text("import another\n")
    after = read_source(file)

    assert before is not None
    assert after is not None
    assert (before.imports, after.imports) == (("one",), ("another",))
    assert before.content != after.content
    file.unlink()
    assert read_source(file) is None
