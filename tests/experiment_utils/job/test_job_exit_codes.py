"""Every exit code of a job is in one table, which the scripts and the documentation use, too."""

import re
from pathlib import Path

from tmgg.experiment_utils.job.job_exit_codes import IN_SCRIPTS, MEANINGS, TERMINATED, shell_code

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "tmgg"
TEMPLATES = sorted(SOURCE.rglob("*.sh.template"))
# 0, or 128 and a signal's number, as every shell has it.
_LITERAL = re.compile(r'(?:^|[ ;])(?:exit|tmgg_fail ".*") ([1-9][0-9]*)', re.MULTILINE)


def test_the_documented_table_is_the_one_in_the_code() -> None:
    text = (ROOT / "docs" / "slurm.md").read_text()
    table = text.partition("### Exit codes of a job")[2].partition("\n#")[0]

    documented = re.findall(r"^\| ([0-9]+) \| (.+) \|$", table, re.MULTILINE)

    assert documented == [(str(code), words) for code, words in MEANINGS.items()]


def test_templates_take_their_exit_codes_from_the_table() -> None:
    numbers = [int(code) for path in TEMPLATES for code in _LITERAL.findall(path.read_text())]
    used = {name for path in TEMPLATES for name in re.findall(r"@\{(exit_\w+)\}", path.read_text())}

    assert [code for code in numbers if code <= 128] == []
    assert used == set(IN_SCRIPTS)


def test_no_module_has_an_exit_code_of_its_own() -> None:
    modules = [path for path in SOURCE.rglob("*.py") if re.search(r"\bos\.EX_", path.read_text())]

    assert modules == []


def test_a_killed_process_has_the_code_that_a_shell_gives_it() -> None:
    assert (shell_code(0), shell_code(71), shell_code(-15)) == (0, 71, TERMINATED)
