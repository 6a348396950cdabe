"""The tests of a module are found by its name: of `a/b.py`, `test_b*.py` or a folder `b` in `a`.

Tests are named by behaviours, too, and one may be of several modules. So this is about long
modules; those that have no file by their name yet are listed, also shorter ones that may grow. The
list only shrinks.
"""

from pathlib import Path

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "src" / "tmgg"
LONG = 100
"""Lines from which a module has a test of its own."""
FOLDERS = {
    "cli/commands": "jobs",
    "cli/top": "jobs",
    "cli": "jobs",
    "hydra_plugins": "hydra",
    "experiments": "training",
    "experiment_utils/cloud/modal": "modal",
    "experiment_utils/cloud/slurm/site/doctor": "jobs",
}
"""Where the tests of a folder are, if not at the same place."""
LISTED = Path(__file__).with_name("modules_without_test.txt")


def without_test() -> list[str]:
    modules = [path for path in SOURCE.rglob("*.py") if not path.name.startswith("__")]
    long = [path for path in modules if len(path.read_text().splitlines()) >= LONG]
    return sorted(str(path.relative_to(SOURCE)) for path in long if not has_test(path))


def has_test(module: Path) -> bool:
    place = str(module.relative_to(SOURCE).parent)
    folder = TESTS / FOLDERS.get(place, place)
    # In that folder or below it: tests/cloud/local_runner has more of local.py's.
    return any(folder.rglob(f"test_{module.stem}*.py")) or (folder / module.stem).is_dir()


def test_every_long_module_has_a_test_by_its_name_or_is_listed() -> None:
    listed = LISTED.read_text().splitlines()

    new = [name for name in without_test() if name not in listed]

    assert not new, f"no test_<module>.py for {new}; write one (or list them in {LISTED.name})"


def test_no_module_is_listed_that_has_its_test() -> None:
    listed = LISTED.read_text().splitlines()

    assert listed == sorted(listed)
    assert [name for name in listed if has_test(SOURCE / name)] == []
