"""Values of a script that its functions, its classes and other modules hold since it was loaded."""

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


def said(folder: Path, script: str) -> Any:
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_changed_value_is_changed_for_all_that_hold_it_since_loading(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    found = said(tmp_path, HOLDERS)

    there = {name: value for name, _here, value in found}
    assert there == {name: value for name, value, _there in found}
    assert len(found) == 13
    assert there["another"] == [1, 9, False]
    assert there["maybe"] == [5, 5, True]
