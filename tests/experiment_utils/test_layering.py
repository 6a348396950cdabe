"""Who may import whom: the science knows nothing of where it runs; nothing heavy loads early."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.experiment_utils.imported import names_of

SOURCE = Path(__file__).parents[2] / "src"
SCIENCE = ("denoising", "models", "training")
HEAVY = ("torch", "ray", "modal", "lightning", "pytorch_lightning", "numpy", "hydra")
# What a command that only asks about runs must not wait for.
SLOW = (*HEAVY, "omegaconf", "cloudpickle", "rich", "typer")


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(path: Path, *, at_module_level: bool = False) -> Iterator[str]:
    """Names of imported modules; those under `if TYPE_CHECKING` are never loaded."""
    yield from _imports(ast.parse(path.read_text()).body, at_module_level=at_module_level)


def _imports(nodes: list[ast.stmt], *, at_module_level: bool) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from names_of(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imports(node.orelse, at_module_level=at_module_level)
        elif not (at_module_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            children = [child for child in ast.walk(node) if child is not node]
            yield from _imports(
                [child for child in children if isinstance(child, ast.Import | ast.ImportFrom)],
                at_module_level=at_module_level,
            )


def names(found: str, *packages: str) -> bool:
    return any(found == package or found.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("package", SCIENCE)
def test_the_science_does_not_know_where_it_runs(package: str) -> None:
    files = modules(SOURCE / "tmgg" / package)
    assert files
    for path in files:
        wrong = [found for found in imports(path) if names(found, "tmgg.experiment_utils")]
        assert not wrong, f"{path.relative_to(SOURCE)} imports {wrong}"


@pytest.mark.parametrize("package", ["denoising", "models"])
def test_the_mathematics_does_not_know_how_it_is_trained(package: str) -> None:
    for path in modules(SOURCE / "tmgg" / package):
        wrong = [found for found in imports(path) if names(found, "tmgg.training")]
        assert not wrong, f"{path.relative_to(SOURCE)} imports {wrong}"


def test_the_core_imports_nothing_heavy_at_module_level() -> None:
    files = modules(SOURCE / "tmgg" / "experiment_utils")
    assert len(files) > 30
    for path in files:
        wrong = [found for found in imports(path, at_module_level=True) if names(found, *HEAVY)]
        assert not wrong, f"{path.relative_to(SOURCE)} imports {wrong} at module level"


def test_the_core_does_not_know_its_users() -> None:
    for path in modules(SOURCE / "tmgg" / "experiment_utils"):
        if path.name == "compose.py":
            continue  # the one door to Hydra
        wrong = [
            found
            for found in imports(path)
            if names(found, "tmgg.cli", "tmgg.hydra_plugins", *(f"tmgg.{name}" for name in SCIENCE))
        ]
        assert not wrong, f"{path.relative_to(SOURCE)} imports {wrong}"


def test_only_one_file_starts_slurms_commands_but_in_a_job() -> None:
    commands = {"sbatch", "squeue", "sacct", "scancel", "sinfo", "sacctmgr", "scontrol", "srun"}
    in_a_job = {"clear_node.py", "head_address.py", "lost_node.py", "slurm_facts.py"}
    other_commands = {"fields.py", "node_probe.py"}  # a shell that checks words; a node's own
    slurm = SOURCE / "tmgg" / "experiment_utils" / "cloud" / "slurm"
    starting = []
    for path in modules(SOURCE / "tmgg"):
        tree = ast.parse(path.read_text())
        words = {
            element.value
            for node in ast.walk(tree)
            if isinstance(node, ast.List | ast.Tuple) and node.elts
            for element in node.elts[:1]
            if isinstance(element, ast.Constant) and isinstance(element.value, str)
        }
        uses_processes = any(names(found, "subprocess") for found in imports(path))
        if uses_processes and (words & commands or path.is_relative_to(slurm)):
            starting.append(path.name)
    assert set(starting) - in_a_job - other_commands == {"commands.py"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import tmgg.experiment_utils.cloud",
        "from tmgg.experiment_utils.cloud import SlurmRunner, SlurmConfig, LocalRunner",
        "import tmgg.experiment_utils.cloud.runs_on_record.reattach",
        "import tmgg.experiment_utils.supervisor.supervise",
        "import tmgg.experiment_utils.supervisor.entry",
        "from tmgg.experiment_utils.cloud import make_runner; make_runner('slurm')",
        "from tmgg.experiment_utils.cloud import make_runner; make_runner('ray')",
        "import tmgg.experiment_utils.cloud.ray.entry",
        "import tmgg.testing.experiments",
    ],
)
def test_submitting_and_asking_load_nothing_slow(statement: str) -> None:
    assert not loaded_by(statement) & set(SLOW)


def test_the_job_side_loads_nothing_heavy_before_the_experiment_does() -> None:
    assert not loaded_by("import tmgg.experiment_utils.job.execute") & set(HEAVY)
