"""A user's folder with a script that looks at everything a process is, for `script.py` to be run.

The task leaves what it saw in `seen.json`, so that runs are compared value by value.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = """
import argparse, dataclasses, enum, faulthandler, io, json, logging, multiprocessing, os, pickle
import signal, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "third_party"))

import colorlog  # shadowed by third_party
import hydra
import tabulate_beside  # beside the script
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

log = logging.getLogger(__name__)
LOCK = multiprocessing.Lock()
REGISTRY = {}
FLAG = None
OmegaConf.register_new_resolver("twice", lambda x: 2 * x)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: int = 0
    colour: Colour = Colour.RED


@dataclasses.dataclass
class Config:
    x: int = 0
    doubled: int = "${twice:${x}}"
    colour: Colour = Colour.RED
    torch: bool = False


ConfigStore.instance().store(name="config", node=Config)


def register(function):
    REGISTRY[function.__name__] = function
    return function


@register
def work(point):
    return Point(point.x * point.x, Colour.BLUE)


def pools():
    points = [Point(1), Point(2), Point(3)]
    found = {}
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            found[method] = [(p.x, p.colour is Colour.BLUE) for p in pool.map(work, points)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        found["executor"] = [p.x for p in executor.map(work, points)]
    return found


def with_torch():
    import heavy

    return heavy.look(sys.modules["__main__"])


def command_line():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=7)
    return parser.prog, parser.parse_known_args()[0].seed


def signals():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    child.terminate()
    child.join()
    sleeper = subprocess.Popen(["sleep", "30"])
    sleeper.send_signal(signal.SIGINT)
    return [child.exitcode, sleeper.wait(30), str(signal.getsignal(signal.SIGINT)),
            len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), faulthandler.is_enabled(),
            sys.excepthook is sys.__excepthook__]


def where(name):
    return os.path.relpath(os.path.realpath(name), os.path.dirname(os.path.realpath(__file__)))


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    main_module = sys.modules["__main__"]
    hydra_cfg = pickle.loads(pickle.dumps(HydraConfig.instance().cfg)).hydra
    point = pickle.loads(pickle.dumps(Point(cfg.x, cfg.colour)))
    log.info("seen")
    seen = {
        "pools": pools(),
        "signals": signals(),
        "torch": with_torch() if cfg.torch else None,
        "command_line": command_line(),
        "argv_0": sys.argv[0],
        "file": where(main_module.__file__),
        "spec": repr(main_module.__spec__),
        "name": (main_module.__name__, __name__, Point.__module__, log.name),
        "is_main": [main_module.Point is Point, main_module.main is main],
        "globals": [FLAG, sorted(REGISTRY), type(LOCK).__name__, main_module.LOCK is LOCK],
        "point": [point.x, point.colour is cfg.colour, type(point) is Point],
        "types": OmegaConf.get_type(cfg).__name__ == "Config" and OmegaConf.get_type(cfg) is Config,
        "shadowed": [where(colorlog.__file__), colorlog.NAME, tabulate_beside.NAME],
        # Ray's import puts a folder of its own there, in a job and at home.
        "sys_path": [each for each in sys.path if not each.endswith("/ray/thirdparty_files")],
        "vendored_is_last": not any("/ray/" in each for each in sys.path[:-1]),
        "interpreter": [sys.flags.optimize, sys.flags.dev_mode, sys.flags.bytes_warning, __debug__,
                        sys.warnoptions, sys._xoptions],
        "cwd": os.getcwd(),
        "doubled": cfg.doubled,
        "hydra": [hydra_cfg.job.name, hydra_cfg.job.num, str(hydra_cfg.mode),
                  list(hydra_cfg.overrides.task),
                  hydra_cfg.runtime.cwd],
    }
    with open(os.path.join(HydraConfig.get().runtime.output_dir, "seen.json"), "w") as stream:
        json.dump({"seen": seen, "argv": sys.argv}, stream)
    return {"x": cfg.x, "point": Point(cfg.x, Colour.BLUE)}


if __name__ == "__main__":
    FLAG = "set when it began"
    main()
"""
HEAVY = """
import io
import torch
from torch.utils.data import DataLoader


def look(main):
    import os, tempfile

    buffer = io.BytesIO()
    torch.save(main.Point(5), buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    loader = DataLoader([main.Point(3)] * 2, num_workers=1, collate_fn=main.work_all,
                        multiprocessing_context="spawn")
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(main.rank_of, args=(folder,), nprocs=2)
        ranks = sorted(os.listdir(folder))
    return [type(loaded) is main.Point, loaded.x, [p.x for batch in loader for p in batch], ranks]
"""
OPTIONS = ("-O", "-b", "-Werror::UserWarning:no one's", "-Xdev", "-Xint_max_str_digits=5000")
"""Of the Python that launches."""
FOR_TORCH = """
def work_all(points):
    return [work(point) for point in points]


def rank_of(rank, folder):
    open(os.path.join(folder, f"rank{rank}"), "w").close()


"""
PICKLE_JOB_INFO = (
    "+hydra.callbacks.info._target_=hydra.experimental.callbacks.PickleJobInfoCallback"
)


def files() -> dict[str, str]:
    """The user's files by their path in the folder of the code."""
    before, middle, after = SCRIPT.partition("def with_torch")
    return {
        "script.py": before + FOR_TORCH.lstrip() + middle + after,
        "heavy.py": HEAVY,
        "third_party/colorlog.py": 'NAME = "third party"\n',
        "tabulate_beside.py": 'NAME = "beside"\n',
    }


class Home:
    """The user's folders: the script's own, and the one where commands are given."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        for name, text in files().items():
            path = folder / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._home = folder / "home"

    def run(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """`python ../code/script.py` in the working folder."""
        return subprocess.run(
            [sys.executable, *OPTIONS, "../code/script.py", *arguments],
            cwd=self.work,
            env=os.environ | {"TMGG_HOME": str(self._home)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def left(self, sweep: str, job: int) -> dict[str, Any]:
        """What a job of a sweep saw, and its command line."""
        found: dict[str, Any] = json.loads((self.work / sweep / str(job) / "seen.json").read_text())
        return found
