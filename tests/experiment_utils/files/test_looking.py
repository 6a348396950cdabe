"""Looking for files: "not there" is never taken from "could not look"."""

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import tmgg
from tests.fakes.hiccup import Hiccup
from tmgg.experiment_utils.files import looking

SOURCE = Path(tmgg.__file__).parent
ERRORS = [errno.EACCES, errno.ESTALE, errno.EIO]
QUIET_METHODS = {"exists", "is_dir", "is_file", "glob", "rglob", "iterdir"}
QUIET_FUNCTIONS = {"os.access", "os.path.exists", "os.path.isdir", "os.path.isfile"}
# Where a no that means "could not look" does no harm, and why.
ALLOWED = {
    "context.py": "whether a run is asked to stop: asked again soon",
    "stop_signal.py": "the same",
    "looking.py": "the helpers themselves",
    "registry.py": "whether a record may be read; then it is looked for aloud",
    "run_folders.py": "the same",
    "removal.py": "within a try that tells what is not there",
    "trust.py": "whether a folder may be written: refused with words",
    "output_folder.py": "the same",
    "doctor": "says what it finds to a person",
    "ray_cluster": "processes and devices of this node",
    "ranks": "the ranks' own folder on its way",
    "program": "the user's script, not a record",
    "code_files.py": "the user's code, not a record",
    "programs.py": "the same",
    "source_code.py": "the same",
    "project_modules.py": "the same",
    "leaving.py": "how often a write is tried again; it fails aloud",
    "near_matches.py": "whether a given folder holds anything; only a note depends on it",
    "compose.py": "the same",
    "script.py": "the interpreter's folder",
    "gpus.py": "devices",
    "sweep_folder.py": "Hydra's folder of a sweep, not a record",
    "app.py": "what Modal is sent of the source",
}


@pytest.fixture
def hiccup(monkeypatch: pytest.MonkeyPatch) -> Hiccup:
    return Hiccup(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "folder" / "below" / "deep").touch()
    (tmp_path / "folder" / "link").symlink_to("file")
    return tmp_path / "folder"


def test_what_is_there_is_reported(folder: Path) -> None:
    assert looking.is_there(folder / "file")
    assert looking.is_plain_file(folder / "file")
    assert not looking.is_folder(folder / "file")
    assert looking.is_folder(folder)
    assert sorted(looking.listing(folder)) == ["below", "file", "link"]
    assert looking.files_below(folder) == [folder / "below" / "deep", folder / "file"]


def test_what_is_not_there_is_no_error(folder: Path) -> None:
    for path in (folder / "none", folder / "file" / "none"):
        assert not looking.is_there(path)
        assert not looking.is_folder(path)
        assert not looking.is_plain_file(path)
        assert looking.listing(path) == []
        assert looking.files_below(path) == []


@pytest.mark.parametrize("number", ERRORS)
def test_a_look_that_fails_is_an_error(folder: Path, hiccup: Hiccup, number: int) -> None:
    hiccup.begin(folder / "below", number)
    looks = [looking.is_there, looking.is_folder, looking.is_plain_file, looking.listing]
    for look in looks:
        with pytest.raises(OSError, match=str(number)):
            look(folder / "below")
    with pytest.raises(OSError, match=str(number)):
        looking.files_below(folder)


def quiet_looks(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if name == "entry.is_dir":  # of os.scandir: it raises what it cannot tell
            continue
        if name in QUIET_FUNCTIONS or name.rpartition(".")[2] in QUIET_METHODS:
            yield node.lineno, name  # type: ignore[attr-defined]


@pytest.mark.parametrize("layer", ["experiment_utils", "cli", "hydra_plugins"])
def test_nothing_looks_quietly_for_what_is_on_record(layer: str) -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {name}"
        for path in sorted((SOURCE / layer).rglob("*.py"))
        for line, name in quiet_looks(ast.parse(path.read_text()))
        if not ALLOWED.keys() & set(path.relative_to(SOURCE).parts)
    ]
    assert found == [], "use tmgg.experiment_utils.files.looking"
