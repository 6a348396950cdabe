"""What a run had of each file of its program, whenever somebody edited it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.identity import code_of_run
from tmgg.experiment_utils.identity.code_of_run import (
    UNKNOWN,
    changed_code,
    note_preloaded,
    note_script,
    watch_code,
)
from tmgg.experiment_utils.identity.program_code import ProgramCode

PACKAGE = "edited_meanwhile"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path.resolve()
    (root / PACKAGE).mkdir()
    write(root, "__init__", "")
    write(root, "model", "SIZE = 1\n")
    write(root, "train", "from edited_meanwhile import model\n")
    monkeypatch.syspath_prepend(root)
    monkeypatch.setattr(code_of_run, "_preloaded", {})
    # Python would take a file that is edited twice in a second for unchanged.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield root
    watch_code(None, float)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def write(root: Path, module: str, text: str) -> Path:
    file = root / PACKAGE / f"{module}.py"
    file.write_text(text)
    return file


def watch(root: Path, *, submitted_at: float = 0.0) -> dict[str, str]:
    """As a job begins; the files as they were submitted, by name."""
    files = ProgramCode(root / PACKAGE / "train.py", root).of().files
    assert set(files) == {f"{PACKAGE}/{name}.py" for name in ("__init__", "model", "train")}
    watch_code({"root": str(root), "files": files}, lambda: submitted_at)
    return files


def hash_of(root: Path, name: str) -> str:
    return ProgramCode(root / PACKAGE / "train.py", root).of().files[name]


def load(module: str) -> None:
    importlib.import_module(f"{PACKAGE}.{module}")


MODEL = f"{PACKAGE}/model.py"


def test_an_unchanged_program_has_no_changed_files(root: Path) -> None:
    watch(root)
    load("train")
    assert changed_code() == {}


def test_a_file_edited_while_the_run_waited_is_named_with_what_the_run_had(root: Path) -> None:
    files = watch(root)
    write(root, "model", "SIZE = 22\n")
    edited = hash_of(root, MODEL)
    watch_code({"root": str(root), "files": files}, float)
    load("train")
    write(root, "model", "SIZE = 333\n")  # for the next run
    assert changed_code() == {MODEL: edited}


def test_a_file_edited_before_its_late_import_is_named_with_what_was_imported(root: Path) -> None:
    watch(root)
    load("__init__")
    write(root, "model", "SIZE = 22\n")
    load("model")
    assert changed_code() == {MODEL: hash_of(root, MODEL)}


def test_a_file_beside_the_programs_folder_is_named_as_well(root: Path) -> None:
    files = watch(root)
    apart = root / "apart"
    apart.mkdir()
    beside = {f"../{name}": content for name, content in files.items()}
    watch_code({"root": str(apart), "files": beside}, float)
    load("__init__")
    write(root, "model", "SIZE = 22\n")
    load("model")
    write(root, "__init__", "# after its import")
    assert changed_code() == {f"../{MODEL}": hash_of(root, MODEL)}


def test_a_file_edited_before_and_after_its_import_is_not_known(root: Path) -> None:
    watch(root)
    load("__init__")
    write(root, "model", "SIZE = 22\n")
    load("model")
    write(root, "model", "SIZE = 333\n")
    assert changed_code() == {MODEL: UNKNOWN}


def test_a_file_edited_after_its_import_is_as_it_was_imported(root: Path) -> None:
    watch(root)
    load("train")
    write(root, "model", "SIZE = 22\n")
    assert changed_code() == {}


def test_a_forked_run_has_what_the_process_it_was_forked_from_imported(root: Path) -> None:
    files = watch(root)
    load("train")
    note_preloaded()
    write(root, "model", "SIZE = 22\n")
    watch_code({"root": str(root), "files": files}, float)
    assert changed_code() == {}


def test_a_script_is_what_was_read_of_it(root: Path) -> None:
    watch(root)
    load("model")
    file = write(root, "train", "from edited_meanwhile import model  # edited\n")
    note_script(str(file))
    assert changed_code() == {f"{PACKAGE}/train.py": hash_of(root, f"{PACKAGE}/train.py")}


def test_a_program_loaded_from_a_copy_says_nothing_of_the_files_here(root: Path) -> None:
    watch(root)
    write(root, "model", "SIZE = 22\n")
    assert changed_code() == {}


@pytest.mark.parametrize(("submitted_at", "changed"), [(0.0, True), (2**40, False)])
def test_of_a_large_program_a_folder_with_a_newer_file_is_not_known(
    root: Path, submitted_at: float, changed: bool
) -> None:
    files = {f"{PACKAGE}/": "0123456789ab"}
    watch_code({"root": str(root), "files": files}, lambda: submitted_at)
    load("train")
    assert changed_code() == ({f"{PACKAGE}/": UNKNOWN} if changed else {})


@pytest.mark.parametrize("identity", [None, {}, {"files": None}, {"root": "", "files": {"a": "b"}}])
def test_of_a_run_without_noted_files_nothing_is_known(identity: dict[str, object] | None) -> None:
    before = list(sys.meta_path)
    watch_code(identity, float)
    assert changed_code() == {}
    assert sys.meta_path == before


def test_the_import_system_is_as_it_was_for_the_next_run(root: Path) -> None:
    before = list(sys.meta_path)
    watch(root)
    watch(root)
    assert len(sys.meta_path) == len(before) + 1
    watch_code(None, float)
    assert sys.meta_path == before
