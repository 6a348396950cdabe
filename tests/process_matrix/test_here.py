"""A job on this machine sees what the script sees at home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process_matrix.lab import PICKLE_JOB_INFO, Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The script was run by `basic` and as a job."""
    home = Home(tmp_path_factory.mktemp("matrix"))
    for launcher in ("basic", "tmgg_local"):
        ended = home.run(
            "-m",
            f"hydra/launcher={launcher}",
            "x=3",
            f"hydra.sweep.dir={launcher}",
            PICKLE_JOB_INFO,
        )
        assert ended.returncode == 0, ended.stderr
    return home


def test_a_job_sees_what_the_script_sees_at_home(home: Home) -> None:
    assert home.left("tmgg_local", 0)["seen"] == home.left("basic", 0)["seen"]


def test_a_job_has_the_options_of_the_launching_python(home: Home) -> None:
    optimize, is_dev, bytes_warning, debug, warnings, more = home.left("tmgg_local", 0)["seen"][
        "interpreter"
    ]

    assert (optimize, is_dev, bytes_warning, debug) == (1, True, 1, False)
    assert "error::UserWarning:no one's" in warnings
    assert more == {"dev": True, "int_max_str_digits": "5000"}


STRICT = """
import sys, warnings
from tmgg.experiment_utils.cloud import LocalRunner

def look(x):
    try:
        warnings.warn("an error, then")
    except UserWarning:
        return [sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions, x]

if __name__ == "__main__":
    here = look(1)
    for future in LocalRunner().map(look, [1, 1]):
        if future.result() != here:
            sys.exit(f"{future.result()} is not {here}")
    print(here)
"""


def test_a_call_is_as_strict_about_warnings_as_its_submitter(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(STRICT)

    ended = subprocess.run(
        [sys.executable, "-O", "-Werror", "-Xdev", "app.py"],
        cwd=tmp_path, env=os.environ | {"TMGG_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (0, "[1, True, ['default', 'error'], 1]\n"), (
        ended.stderr
    )


def test_a_jobs_command_line_is_the_script_and_its_own_overrides(home: Home) -> None:
    assert home.left("tmgg_local", 0)["argv"] == ["../code/script.py", PICKLE_JOB_INFO, "x=3"]


def test_callbacks_write_whole_files_and_a_job_can_be_run_again_from_them(home: Home) -> None:
    before = home.left("tmgg_local", 0)["seen"]
    pickles = home.work / "tmgg_local" / "0" / ".hydra"
    assert (pickles / "job_return.pickle").stat().st_size > 0

    ended = home.run(f"--experimental-rerun={pickles / 'config.pickle'}")

    assert ended.returncode == 0, ended.stderr
    assert home.left("tmgg_local", 0)["seen"] == before


@pytest.mark.long
@pytest.mark.parametrize("launcher", ["tmgg_local", "tmgg_ray"])
def test_with_torch_and_on_ray_too(tmp_path: Path, launcher: str) -> None:
    home = Home(tmp_path)
    for name in ("basic", launcher):
        where = (f"hydra/launcher={name}", f"hydra.sweep.dir={name}")
        ended = home.run("-m", *where, "x=3", "torch=true", timeout_s=900)
        assert ended.returncode == 0, ended.stderr
    seen = home.left(launcher, 0)["seen"]
    assert seen == home.left("basic", 0)["seen"]
    assert seen["torch"] == [True, 5, [9, 9], ["rank0", "rank1"]]


LAB = """
import json, multiprocessing, os, pickle, sys
from hydra.core.hydra_config import HydraConfig

def square(x):
    return x * x

def run(config):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        four = pool.map(square, [2])
    hydra = pickle.loads(pickle.dumps(HydraConfig.instance().cfg)).hydra
    same_folder = os.path.samefile(hydra.runtime.output_dir, config.output_dir)
    seen = [os.path.basename(sys.argv[0]), "x=5" in sys.argv, sys.modules["__main__"].__file__,
            sys.path, os.getcwd(), str(hydra.mode), list(hydra.overrides.task), four, same_folder]
    print("SEEN" + json.dumps(seen))
    return {"x": config.x}
"""


def test_a_single_run_of_tmgg_experiment_has_the_process_it_has_here(tmp_path: Path) -> None:
    (tmp_path / "my_lab.py").write_text(LAB)
    config = 'experiment: {_target_: "my_lab:run"}\nx: 1\noutput_dir: null\n'
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.yaml").write_text(config)
    command = [str(Path(sys.prefix, "bin", "tmgg-experiment")), "-cd", "conf", "-cn", "c", "x=5"]
    printed = []
    for more in ([], ["hydra/launcher=tmgg_local"]):
        ended = subprocess.run(
            [*command, *more], cwd=tmp_path, env=os.environ | {"TMGG_HOME": str(tmp_path / "home")},
            capture_output=True, text=True, timeout=200, check=True,
        )  # fmt: skip
        logs = [path.read_text() for path in tmp_path.glob("local_outputs/*.out")]
        lines = "\n".join([ended.stdout, *logs]).splitlines()
        printed.append([line for line in lines if line.startswith("SEEN")])

    (here,), (job,) = printed
    assert job == here


APP = """
import os, subprocess, sys
import hydra
from hydra.core.hydra_config import HydraConfig

class Returned:
    def __init__(self, x):
        self.loss = x

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    folder = HydraConfig.get().runtime.output_dir
    rank = os.environ.get("RANK", "0")
    open(os.path.join(folder, f"rank{rank}"), "w").close()
    if rank == "0":
        # As Lightning does: the command again, with a folder of its own choice.
        again = [sys.executable, *sys.argv, f'hydra.run.dir="{HydraConfig.get().run.dir}"']
        subprocess.run(again, env=os.environ | {"RANK": "1"}, check=True)
    return Returned(cfg.x)

if __name__ == "__main__":
    main()
"""


def test_a_command_line_run_again_does_that_job_in_that_folder(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    config = "defaults: [{override hydra/launcher: tmgg_local}]\nhydra: {mode: MULTIRUN}\nx: 1\n"
    (tmp_path / "conf" / "c.yaml").write_text(config)

    _run(tmp_path, APP, "-cd", "conf", "-cn", "c", "x=2,3", "hydra.sweep.dir=s")

    ranks = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("s/*/rank*"))
    assert ranks == ["s/0/rank0", "s/0/rank1", "s/1/rank0", "s/1/rank1"]
    assert not (tmp_path / "outputs").exists()
    assert len(list(tmp_path.glob("local_outputs/*/run.json"))) == 2


ENDS = """
import sys
import hydra
from hydra.experimental.callback import Callback

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    sys.exit(cfg.code)

if __name__ == "__main__":
    main()
"""


def test_sys_exit_ends_a_job_well_or_with_its_words(tmp_path: Path) -> None:
    arguments = ("-m", "+code=null,0,3,nothing", "hydra/launcher=tmgg_local")

    ended = _ended(tmp_path, ENDS, *arguments)

    assert ended.returncode == 1
    assert ended.stdout.count(" completed ") == 2
    assert "SystemExit: sys.exit(3)" in ended.stderr
    assert "SystemExit: nothing" in ended.stderr


UNGUARDED = """
import multiprocessing
import hydra

class Point:
    def __init__(self, x):
        self.x = x

def work(point):
    return Point(point.x * factor)

def make(power):
    @hydra.main(version_base="1.3", config_path=None)
    def app(cfg):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return {"y": sum(p.x ** power for p in pool.map(work, [Point(cfg.x), Point(1)]))}
    return app

factor = 10
"""
IN_GUARD = """
if __name__ == "__main__":
    class Late:
        value = 0.5
    late = Late()
    import fractions as numbers
    @hydra.main(version_base="1.3", config_path=None)
    def app(cfg):
        return {"y": float(numbers.Fraction(late.value)) + make(1).__wrapped__(cfg)["y"] - 0.5}
    app()
"""


@pytest.mark.parametrize(
    ("script", "start"),
    [
        (f"{UNGUARDED}make(1)()", ["app.py"]),
        (f"{UNGUARDED}make(1)()", ["-"]),
        (f'{UNGUARDED}if __name__ == "__main__":\n    make(1)()', ["-m", "app"]),
        (UNGUARDED + IN_GUARD, ["app.py"]),
    ],
    ids=["no guard", "standard input", "module", "defined in the guard"],
)
def test_whatever_way_it_was_started_its_functions_and_classes_are_there(
    tmp_path: Path, script: str, start: list[str]
) -> None:
    out = _run(tmp_path, script, "-m", "+x=2,3", "hydra/launcher=tmgg_local", start=start)

    rows = [line.split() for line in out.splitlines() if " completed " in line]
    assert [float(row[4]) for row in rows] == [30, 40]
    assert len(list(tmp_path.glob("local_outputs/*/run.json"))) == 2


LOOKING = """
from tmgg.hydra_plugins.tmgg_launcher import TmggLauncher

launch = TmggLauncher.launch

def look(self, *arguments, **named):
    returns = launch(self, *arguments, **named)
    print("same class:", [type(each.return_value) is Returned for each in returns])
    return returns

if __name__ == "__main__":
    TmggLauncher.launch = look
    main()
"""
CALLBACK = """
from hydra.experimental.callback import Callback

class Look(Callback):
    def on_multirun_end(self, config, **kwargs):
        print("ended here")
"""


def test_the_sweeper_gets_objects_of_the_scripts_own_class(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(CALLBACK)
    script = APP.partition("if __name__")[0].replace('rank == "0"', "False") + LOOKING
    look = "+hydra.callbacks.look._target_=beside.Look"

    out = _run(tmp_path, script, "-m", "+x=2", "hydra/launcher=tmgg_local", look)

    assert "same class: [True]" in out
    assert out.count("ended here") == 1


def _run(folder: Path, script: str, *arguments: str, start: list[str] | None = None) -> str:
    ended = _ended(folder, script, *arguments, start=start)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _ended(
    folder: Path, script: str, *arguments: str, start: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    path = folder / "app.py"
    path.write_text(script)
    return subprocess.run(
        [sys.executable, *(start or ["app.py"]), *arguments],
        cwd=folder,
        env=os.environ | {"TMGG_HOME": str(folder / "home")},
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
