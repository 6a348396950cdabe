"""Code that is in no source file of its own: compiled modules, and archives such as zipapps."""

import importlib
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tmgg.experiment_utils.identity.code_files import holder_of
from tmgg.experiment_utils.identity.code_of_run import changed_code, watch_code
from tmgg.experiment_utils.identity.program_code import ProgramCode
from tmgg.experiment_utils.identity.programs import Program, program_named

COMPILED = EXTENSION_SUFFIXES[0]
MODULE, HELPER = "zipped_program", "zipped_helper"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    # The machine's own folder of temporary files may be a link.
    yield tmp_path.resolve()
    watch_code(None, float)
    for name in (MODULE, HELPER):
        sys.modules.pop(name, None)


def make_archive(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{MODULE}.py", f"import os, {HELPER}\nos.environ['SIZE_OF_MODEL']\n")
        archive.writestr(f"{HELPER}.py", f"def run():\n    return {size}\n")
    sys.path_importer_cache.pop(str(path), None)
    return path


def program_in(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    with monkeypatch.context() as patch:
        patch.syspath_prepend(archive)
        return program_named(f"{MODULE}:run")


def test_code_is_in_a_file_or_in_the_archive_on_the_way_to_it(root: Path) -> None:
    archive = make_archive(root / "app.pyz", 1)
    assert holder_of(archive / "package" / "module.py") == archive
    assert holder_of(archive) == archive
    assert holder_of(root / "gone.py") is None
    assert holder_of(root) is None


def test_programs_of_two_archives_are_two_and_a_changed_archive_is_changed_code(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIZE_OF_MODEL", "3")
    archive = make_archive(root / "app.pyz", 1)
    found = program_in(archive, monkeypatch)
    assert found.name == f"{MODULE}:run in {archive}"
    assert set(found.files) == {"app.pyz"}
    assert any("SIZE_OF_MODEL" in name for name in found.surroundings)
    other = program_in(make_archive(root / "other.pyz", 1), monkeypatch)
    assert other.name != found.name
    changed = program_in(make_archive(archive, 2), monkeypatch)
    assert (changed.name, changed.source == found.source) == (found.name, False)


def test_a_script_that_imports_from_an_archive_has_it_among_its_files(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(make_archive(root / "library.zip", 1))
    script = root / "train.py"
    script.write_text(f"import {HELPER}\n")
    assert set(ProgramCode(script, root).of().files) == {"train.py", "library.zip"}


def test_compiled_modules_of_the_project_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root)
    script = root / "train.py"
    script.write_text("import fast_top\nfrom lib import fast\n")
    (root / "lib").mkdir()
    (root / "lib/__init__.py").write_text("")
    compiled = [root / f"fast_top{COMPILED}", root / f"lib/fast{COMPILED}"]
    for file in compiled:
        file.write_bytes(b"\x7fELF import json")
    before = ProgramCode(script, root).of()
    assert set(before.files) == {
        "train.py", "lib/__init__.py", f"fast_top{COMPILED}", f"lib/fast{COMPILED}",
    }  # fmt: skip
    assert "json" not in before.imports
    compiled[1].write_bytes(b"\x7fELF built anew")
    assert ProgramCode(script, root).of().source != before.source


def test_a_damaged_archive_is_no_code(root: Path) -> None:
    archive = make_archive(root / "app.pyz", 1)
    archive.write_bytes(archive.read_bytes()[:-8] + b"\0" * 8)
    assert isinstance(ProgramCode(archive, root).of().source, str | None)


def test_a_job_sees_that_its_archive_was_changed_after_the_submission(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(root / "app.pyz", 1)
    files = dict(program_in(archive, monkeypatch).files)
    make_archive(archive, 2)
    changed = program_in(archive, monkeypatch).files["app.pyz"]
    monkeypatch.syspath_prepend(archive)
    watch_code({"root": str(root), "files": files}, float)
    assert importlib.import_module(HELPER).run() == 2
    assert changed_code() == {"app.pyz": changed}
