"""What a script has changed since it was loaded: its values, for all that hold them, and attributes
of its functions and classes.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_S = 120
SETTINGS = """
CFG = {"rate": 1}
def rate():
    return CFG["rate"]
"""
HOLDERS = """
import dataclasses, functools, json, threading
import numpy
from settings import CFG as FOREIGN, rate
from tmgg.experiment_utils.cloud import LocalRunner

CFG = {"rate": 1, "inner": {"rate": 1}}
MAYBE, ANOTHER = {"rate": 1}, {"rate": 1}
ALL = numpy.zeros(4)
HEAD = ALL[:2]

class Model:
    def __init__(self):
        self.rate = 1
    def predict(self):
        return self.rate

@dataclasses.dataclass(frozen=True)
class Frozen:
    held: dict

FROZEN = Frozen({"rate": 1})
model = Model()
predict = model.predict
cached = functools.lru_cache(predict)
partial = functools.partial(Model.predict, model)

def close(value):
    return lambda: value["rate"]

closed = close(CFG)

class Trainer:
    cfg = CFG
    def run(self):
        return self.cfg["rate"]

def default(cfg=CFG):
    return cfg["rate"]

def keyword(*, cfg=CFG):
    return cfg["rate"]

def inner(cfg=CFG["inner"]):
    return cfg["rate"]

def frozen(cfg=FROZEN):
    return cfg.held["rate"]

def maybe(cfg=MAYBE):
    return cfg["rate"], MAYBE["rate"], cfg is MAYBE

def another(cfg=ANOTHER):
    return cfg["rate"], ANOTHER["rate"], cfg is ANOTHER

def module():
    FOREIGN["more"] = 1
    return rate(), FOREIGN["rate"]

def array():
    ALL[0] = 7
    return HEAD.tolist()

def methods():
    return predict(), cached(), partial(), TABLE["predict"]()

class Weight:
    rate = 1

class Net:
    def __init__(self):
        self.weight = Weight()

class Optimizer:
    def __init__(self, weight):
        self.weight = weight
    def step(self):
        return self.weight

net = Net()
step = Optimizer(net.weight).step
optimizer = step.__self__

def sharing():
    return step() is net.weight, step().rate

class Service:
    def __init__(self):
        self.link, self.rate = LINK, 1
    def __getstate__(self):
        return {"rate": self.rate}

LINK = {"lock": threading.Lock()}
service = Service()

def hidden():
    return service.rate

TABLE = {"predict": predict}
FUNCTIONS = [default, keyword, inner, frozen, maybe, another, module, array, methods,
             sharing, hidden, closed, Trainer().run]

def main():
    global MAYBE, ANOTHER
    FROZEN.held["rate"] = CFG["inner"]["rate"] = FOREIGN["rate"] = 5
    CFG["rate"] = MAYBE["rate"] = model.rate = 5
    net.weight.rate = service.rate = service.link["rate"] = 5
    LINK.update(rate=5)
    ALL[1] = 5
    ANOTHER = {"rate": 9}
    runner = LocalRunner()
    sent = [runner.submit(function) for function in FUNCTIONS]
    found = [future.result(60) for future in sent]
    print(json.dumps([[each.__name__, each(), there] for each, there in zip(FUNCTIONS, found)]))

if __name__ == "__main__":
    main()
"""


ATTRIBUTES = """
import enum, json, threading
from tmgg.experiment_utils.cloud import LocalRunner

def scaled():
    return scaled.scale
scaled.scale = 1

class Net:
    def forward(self):
        return 1
    @staticmethod
    def static():
        return 1
    @property
    def size(self):
        return 1

def methods():
    return Net().forward(), Net.static(), Net().size

class Config:
    rate = depth = width = 1
    names = {}
    lock = None
    class train:
        rate = 1

class Split(enum.Enum):
    TRAIN = "train"

def attributes():
    return Config.rate, Config.depth, Config.width, Config.names, Config.train.rate

def member():
    return Split.TRAIN.folder, Split.TRAIN.value

def locked():
    return Config.lock is None

def fast(self):
    return 5

def put(c, value):
    c.rate = value

def put_by_name(c, name, value):
    setattr(c, name, value)

FUNCTIONS = [scaled, methods, attributes, member, locked]

def main():
    scaled.scale = 5
    Net.forward, Net.static, Net.size = fast, staticmethod(lambda: 5), property(fast)
    put(Config, 5)
    put_by_name(Config, "depth", 5)
    config = Config()
    type(config).width = 5
    config.names["rate"] = 5
    for each in (Config.train,):
        each.rate = 5
    Split.TRAIN.folder = "/data"
    Config.lock = threading.Lock()
    runner = LocalRunner()
    sent = [runner.submit(function) for function in FUNCTIONS]
    found = [future.result(60) for future in sent]
    print(json.dumps([[each.__name__, each(), there] for each, there in zip(FUNCTIONS, found)]))

if __name__ == "__main__":
    main()
"""


def said(folder: Path, script: str) -> tuple[Any, str]:
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_changed_value_is_changed_for_all_that_hold_it_since_loading(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    found, _ = said(tmp_path, HOLDERS)

    there = {name: value for name, _here, value in found}
    assert there == {name: value for name, value, _there in found}
    assert len(found) == 13
    assert there["another"] == [1, 9, False]
    assert there["maybe"] == [5, 5, True]


def test_attributes_that_were_set_are_sent_by_whatever_name_the_object_had(tmp_path: Path) -> None:
    found, words = said(tmp_path, ATTRIBUTES)

    there = {name: value for name, _here, value in found}
    here = {name: value for name, value, _there in found}
    assert (there.pop("locked"), here.pop("locked")) == (True, False)
    assert there == here
    assert "Config.lock, which __main__.locked uses, cannot be sent to a job: " in words
