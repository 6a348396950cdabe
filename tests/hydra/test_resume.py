"""What a launch recognises of earlier ones, and with which code and options it goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hydra.project import APP, LOCAL, RESUME, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_another_program_never_gets_these_results_and_its_own_are_recognised(
    project: Project,
) -> None:
    assert project.values(project.run("a.py", *LOCAL, "x=1,2")) == [10, 20]
    other = project.run("b.py", *RESUME, "x=1,2")
    assert project.values(other) == [1000, 2000]
    assert "resume: 0 of 2 recognised; 2 to run" in other
    again = project.run("a.py", *RESUME, "x=1,2,3", "hydra.sweep.dir=elsewhere")
    assert project.values(again) == [10, 20, 30]
    assert "resume: 2 of 3 recognised; 1 to run" in again
    assert project.count() == 5


def test_a_job_number_that_is_a_parameter_tells_runs_apart(project: Project) -> None:
    project.run("a.py", *LOCAL, "x=1,2")
    moved = project.run("a.py", *RESUME, "x=2,1")
    assert "resume: 0 of 2 recognised; 2 to run" in moved
    assert "differs from an earlier run in seed" in moved


def test_the_nearest_earlier_run_may_be_one_that_is_recognised(project: Project) -> None:
    project.write("app.yaml", "x: 1\nsleep: 0\nbad: false\n")
    project.run("a.py", *LOCAL, "x=5,6", "sleep=1", "bad=true")
    project.run("a.py", *LOCAL, "x=1,2")
    printed = project.run("a.py", *RESUME, "x=1,2,3")
    assert "2 of 3 recognised" in printed
    assert "1 differs from an earlier run in x\n" in printed


def test_what_hydra_sets_in_the_environment_tells_runs_apart(project: Project) -> None:
    project.run("a.py", *LOCAL, "x=1", "+hydra.job.env_set.SHIFT=1")
    other = project.run("a.py", *RESUME, "x=1", "+hydra.job.env_set.SHIFT=2")
    assert project.values(other) == [12]
    assert "1 differs from an earlier run in hydra.job.env_set.SHIFT" in other


def test_a_mended_script_runs_and_what_it_made_before_is_reported(project: Project) -> None:
    project.write("broken", "")
    project.run("a.py", *LOCAL, "x=1,2,3", code=1)
    (project.folder / "broken").unlink()
    project.write("a.py", APP.replace("NUMBER = 10", "NUMBER = 11"))

    again = project.run("a.py", *RESUME, "x=1,2,3", "hydra.launcher.timeout_seconds=77")

    assert project.values(again) == [10, 22, 30]
    assert "resume: 3 of 3 recognised (1 failed); 1 to run" in again
    assert "2 were made by an earlier version of a.py" in again
    (task,) = project.folder.glob("local_outputs/*/2/task.json")
    assert json.loads(task.read_text())["timeout_seconds"] == 77
    first = json.loads((task.parents[1] / "task.json").read_text())["identity"]
    assert json.loads(task.read_text())["identity"]["folder"] == first["folder"]

    changed = project.run("a.py", *RESUME, "hydra.launcher.rerun_changed_code=true", "x=1,2,3")
    assert project.values(changed) == [11, 22, 33]
    assert project.count() == 6


def test_a_module_that_the_script_imports_is_code_of_the_program_too(project: Project) -> None:
    project.run("a.py", *LOCAL, "x=1")
    project.write("helper.py", "def factor():\n    return 3\n")
    again = project.run("a.py", *RESUME, "x=1")
    assert project.values(again) == [10]
    assert "1 was made by an earlier version of helper.py" in again


TRAIN = """
import importlib, os, pathlib, sys
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import hydra
from hydra.utils import instantiate
from src.utils.scale import scale

@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(cfg):
    found = scale(instantiate(cfg.model).fit(cfg.x))
    return importlib.import_module("lib.postproc").post(found) * float(os.environ.get("LR", "1"))

if __name__ == "__main__":
    main()
"""


def test_code_outside_the_scripts_folder_and_the_environment_it_reads_belong_to_the_program(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "src/__init__.py": "",
        "src/train.py": TRAIN,
        "src/utils/scale.py": "SCALE = 1\ndef scale(y): return y * SCALE\n",
        "src/models/net.py": "class Net:\n    def __init__(self, w): self.w = w\n"
        "    def fit(self, x): return self.w * x\n",
        "lib/postproc.py": "def post(y): return y\n",
        "conf/train.yaml": "x: 1\nmodel: {_target_: src.models.net.Net, w: 3}\n",
    }
    for name, text in files.items():
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        project.write(name, text)
    project.run("src/train.py", *LOCAL, "x=1,2")
    for name in ("src/utils/scale.py", "src/models/net.py", "lib/postproc.py"):
        project.write(name, files[name] + "# edited\n")

    again = project.run("src/train.py", *RESUME, "x=1,2")
    assert "resume: 2 of 2 recognised; 0 to run" in again
    edited = "lib/postproc.py, src/models/net.py, src/utils/scale.py"
    assert f"2 were made by an earlier version of {edited}" in again

    monkeypatch.setenv("LR", "31415926")
    other = project.run("src/train.py", *RESUME, "x=1")
    assert "1 differs from an earlier run in LR in the environment" in other
    records = project.folder.glob("local_outputs/*/[0-9]/task.json")
    assert not [path for path in records if "31415926" in path.read_text()]


def test_the_jobs_number_in_a_text_and_a_given_folder_count_and_places_that_may_be_inputs_are_named(
    project: Project,
) -> None:
    project.write("app.yaml", "x: 1\nfold: fold_${hydra:job.num}\nmodel: ${hydra:sweep.dir}/m\n")
    project.run("a.py", *LOCAL, "x=1,2", "hydra.sweep.dir=one")
    turned = project.run("a.py", *RESUME, "x=2,1", "hydra.sweep.dir=one")
    assert "resume: 0 of 2 recognised; 2 to run" in turned
    assert "from an earlier run in fold" in turned
    other = project.run("a.py", *RESUME, "x=1", "hydra.sweep.dir=two")
    assert "resume: 1 of 1 recognised; 0 to run" in other
    assert "1 is recognised, but places of Hydra's that may be inputs have changed: model" in other
    given = ("x=1", "model=${hydra:sweep.dir}/m", "hydra.sweep.dir=two")
    assert "1 differs from an earlier run in model" in project.run("a.py", *RESUME, *given)


def test_what_the_guarded_part_sets_in_another_module_is_reported_when_it_is_submitted(
    project: Project,
) -> None:
    started = 'if __name__ == "__main__":\n'
    guarded = f"{started}    import helper\n    helper.K = 2\n    os.helper = 1\n"
    project.write("a.py", APP.replace(started, guarded))
    printed = project.run("a.py", *LOCAL, "x=1")
    assert "helper.K is set in the part of" in printed
    assert "os.helper is" not in printed
    assert "is set in the part of" not in project.run("b.py", *LOCAL, "x=1")


def test_a_script_that_was_renamed_is_reported_and_its_results_are_not_taken(
    project: Project,
) -> None:
    project.run("a.py", *LOCAL, "x=1,2")
    (project.folder / "a.py").rename(project.folder / "c.py")
    printed = project.run("c.py", *RESUME, "x=1,2")
    assert "resume: 0 of 2 recognised; 2 to run" in printed
    gone = f"2 have the config of an earlier run by {project.folder.resolve()}/a.py, which is not"
    assert gone in printed


def test_keys_of_another_apps_config_mean_nothing_to_tmgg(project: Project) -> None:
    printed = project.run("a.py", *LOCAL, "x=1,2", "run_id=same")
    assert project.values(printed) == [10, 20]
    assert not (project.folder / "local_outputs" / "same").exists()
    other = project.run("a.py", *RESUME, "x=1,2", "run_id=other")
    assert "2 differ from an earlier run in run_id" in other


def test_two_jobs_with_one_output_folder_are_refused_before_anything_is_submitted(
    project: Project,
) -> None:
    shared = ("x=1,2", "hydra.sweep.dir=s", "hydra.sweep.subdir=exp")
    refused = project.run("a.py", *LOCAL, *shared, code=1)
    assert "2 runs of the sweep have one output folder" in refused
    assert "job #0 (x=1), job #1 (x=2)" in refused
    assert "${hydra.job.num}" in refused
    assert "Traceback" not in refused
    assert project.count() == 0
    meant = project.run("a.py", *LOCAL, *shared, "hydra.launcher.share_output_dir=true")
    assert project.values(meant) == [10, 20]


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("hydra.sweep.subdir=" + "n" * 256, "folder or file name of 256 bytes"),
        ("hydra.sweep.dir=" + "/".join(["d" * 120] * 40), "a path of 4"),
    ],
)
def test_names_that_no_file_system_takes_are_refused_before_anything_is_submitted(
    project: Project, folder: str, words: str
) -> None:
    refused = project.run("a.py", *LOCAL, "x=1", folder, code=1)
    assert words in refused
    assert "Traceback" not in refused
    assert project.count() == 0


def test_experiments_of_one_name_in_two_projects_are_two_programs(tmp_path: Path) -> None:
    printed = []
    for name, number in (("one", 1), ("two", 2)):
        project = tmp_path / name
        project.mkdir()
        (project / "lab.py").write_text(f"def run(config):\n    return {{'y': {number}}}\n")
        (project / "own.yaml").write_text("experiment:\n  _target_: lab:run\nx: 1\n")
        command = "from tmgg.cli.experiment import main; main()"
        where = ("-cd", ".", "-cn", "own", f"hydra.launcher.local_output_dir={tmp_path}/runs")
        ended = subprocess.run(
            [sys.executable, "-c", command, "-m", "x=1", *where, *RESUME[1:]],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
            cwd=project,
            env=os.environ | {"TMGG_HOME": str(tmp_path / "home")},
        )
        printed.append(ended.stdout + ended.stderr)
    assert all("resume: 0 of 1 recognised; 1 to run" in each for each in printed), printed
    assert len(list(tmp_path.glob("runs/*/1"))) == 2


def test_what_the_scripts_guarded_part_has_set_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = 'if __name__ == "__main__":\n'
    app = APP.replace(started, f'{started}    NUMBER = int(os.environ["K"])\n')
    project.write("a.py", app)
    printed = []
    for number in (2, 3, 2):
        monkeypatch.setenv("K", str(number))
        printed.append(project.run("a.py", *RESUME, "x=1"))
        assert project.values(printed[-1]) == [number]
    assert "1 differs from an earlier run in K in the environment, __main__.NUMBER" in printed[1]
    assert "resume: 1 of 1 recognised" in printed[2]


def test_what_a_function_of_the_guarded_part_has_changed_in_place_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = 'if __name__ == "__main__":\n'
    prepared = """
OPTIONS = {"number": 1}

def prepare():
    OPTIONS.update(number=int(os.environ["K"]))

"""
    app = APP.replace(started, f"{prepared}{started}    prepare()\n")
    project.write("a.py", app.replace("* NUMBER", '* OPTIONS["number"]'))
    printed = []
    for number in (2, 3, 2):
        monkeypatch.setenv("K", str(number))
        printed.append(project.run("a.py", *RESUME, "x=1"))
        assert project.values(printed[-1]) == [number]
    assert "__main__.OPTIONS" in printed[1]
    assert "resume: 1 of 1 recognised" in printed[2]


def test_what_an_override_stands_for_is_resolved_in_the_job_and_nowhere_reported(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2hunter2")
    arguments = ["-m", "hydra/launcher=tmgg_local", "x=1,2", "+tok='${oc.env:SECRET_TOKEN}'"]
    printed = project.run("a.py", *arguments, "+never='${oc.env:NOT_SET_HERE}'")
    assert "hunter2" not in printed
    sweep = next(project.folder.glob("local_outputs/.sweeps/*.json")).read_text()
    assert "${oc.env:SECRET_TOKEN}" in sweep
    assert "hunter2" not in sweep
    for path in project.folder.glob("multirun/**/sweep_summary.*"):
        assert b"hunter2" not in path.read_bytes()


def test_callbacks_and_resolvers_are_code_of_the_program(project: Project) -> None:
    files = {
        "hooks/noting.py": "from hydra.experimental.callback import Callback\n"
        "class Noting(Callback):\n    def on_job_start(self, config, **_):\n        pass\n",
        "lib/resolvers.py": "from omegaconf import OmegaConf\ndef double(x):\n    return 2 * x\n"
        'OmegaConf.register_new_resolver("double", double)\n',
        "app.yaml": "x: 1\ny: ${double:3}\nhydra:\n  callbacks:\n    noting:\n"
        "      _target_: hooks.noting.Noting\n",
        "train.py": "import hydra\nimport lib.resolvers\n"
        '@hydra.main(version_base="1.3", config_path=".", config_name="app")\n'
        "def main(cfg):\n    return cfg.x + cfg.y\n"
        'if __name__ == "__main__":\n    main()\n',
    }
    for name, text in files.items():
        (project.folder / name).parent.mkdir(exist_ok=True)
        project.write(name, text)
    project.run("train.py", *LOCAL, "x=1,2")
    for name, before, after in (
        ("hooks/noting.py", "pass", "print('noted')"),
        ("lib/resolvers.py", "return 2 * x", "return x + x"),
    ):
        project.write(name, files[name].replace(before, after))
        again = project.run("train.py", *RESUME, "x=1,2")
        assert "resume: 2 of 2 recognised; 0 to run" in again
        assert f"2 were made by an earlier version of {name}\n" in f"{again}\n".replace(";", "\n")
        project.write(name, files[name])
    changed = files["lib/resolvers.py"].replace("return 2 * x", "return 3 * x")
    project.write("lib/resolvers.py", changed)
    other = project.run("train.py", *RESUME, "x=1,2")
    assert project.values(other) == [10, 11]
    assert "2 differ from an earlier run in y" in other


EDITING = """
import importlib, pathlib
import hydra

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    helper = importlib.import_module("helper")  # when the run begins, as instantiate() does
    if cfg.x == 1:
        pathlib.Path("helper.py").write_text("def factor():\\n    return 999\\n")
    return {"y": cfg.x * helper.factor()}

if __name__ == "__main__":
    main()
"""


def test_a_module_edited_before_the_job_imported_it_is_the_code_of_the_result(
    project: Project,
) -> None:
    project.write("a.py", EDITING)
    first = project.run("a.py", *LOCAL, "x=1,2", "hydra.launcher.parallelism=1")
    assert project.values(first) == [1, 1998]

    with_the_edited = project.run("a.py", *RESUME, "x=1,2")
    assert "1 was made by an earlier version of helper.py" in with_the_edited

    project.write("helper.py", "def factor():\n    return 1\n")
    with_the_first = project.run("a.py", *RESUME, "x=1,2", "hydra.launcher.dry_run=true")
    assert "999" not in with_the_first
    again = project.run("a.py", *RESUME, "hydra.launcher.rerun_changed_code=true", "x=1,2")
    assert project.values(again) == [1, 2]


def test_what_the_script_computes_while_it_is_loaded_tells_runs_apart(project: Project) -> None:
    text = APP.replace("NUMBER = 10", "NUMBER = float(open('number').read())")
    project.write("a.py", text)
    for number, recognised in (("10", 0), ("20", 0), ("10", 1)):
        project.write("number", number)
        printed = project.run("a.py", *RESUME, "x=1")
        assert project.values(printed) == [float(number)]
        assert f"resume: {recognised} of 1 recognised" in printed
        assert ("differs from an earlier run in __main__.NUMBER" in printed) == (number == "20")


def test_what_an_object_uses_that_only_the_config_names_tells_runs_apart(project: Project) -> None:
    text = APP.replace("NUMBER\n", "2\n").replace("NUMBER +", "hydra.utils.call(cfg.made) +")
    made = "def made():\n    return NUMBER\n\nNUMBER = float(open('number').read())"
    project.write("a.py", text.replace("NUMBER = 10", made))
    project.write("app.yaml", "x: 1\nmade:\n  _target_: __main__.made\n")
    for number in ("10", "20"):
        project.write("number", number)
        printed = project.run("a.py", *RESUME, "x=1")
        assert project.values(printed) == [float(number)]
    assert "differs from an earlier run in __main__.NUMBER" in printed


def test_the_folder_in_which_the_app_was_started_tells_runs_apart(project: Project) -> None:
    text = APP.replace("NUMBER = 10", "").replace("NUMBER +", "int(open('number').read()) +")
    project.write("a.py", text)
    script, runs = project.folder / "a.py", f"hydra.launcher.local_output_dir={project.folder}/runs"
    for name, number in (("one", 3), ("two", 5)):
        (project.folder / name).mkdir()
        project.write(f"{name}/number", str(number))
    for name, number in (("one", 3), ("two", 5), ("one", 3)):
        printed = project.run(str(script), *RESUME, "x=1", runs, cwd=project.folder / name)
        assert project.values(printed) == [number]
        is_other = "differs from an earlier run in the working directory" in printed
        assert is_other == (name == "two")
