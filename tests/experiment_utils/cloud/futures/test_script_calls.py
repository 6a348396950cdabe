"""Calls of a script's functions: the job's `__main__` is the script."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_S = 120
SCRIPT = """
import concurrent.futures, dataclasses, enum, json, multiprocessing, pickle, sys
from tmgg.experiment_utils.cloud import LocalRunner

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Point:
    x: int

class TwiceError(Exception):
    pass

scale = 1

def double(point):
    return Point(2 * point.x)

def pools(points):
    found = []
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            found.append(pool.map(double, points))
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        found.append(list(pool.map(double, points)))
    return found

def what_it_is(point):
    import __main__
    same = pickle.loads(pickle.dumps(Colour.RED)) is Colour.RED
    return {"file": __main__.__file__, "name": __name__, "argv": sys.argv, "same": same,
            "scaled": scale * point.x}

def bad(point):
    raise TwiceError(point.x)

def inner():
    LocalRunner().submit(double, Point(1))

def again():
    import subprocess
    return subprocess.run([sys.executable, *sys.argv], capture_output=True, text=True).stderr

if __name__ == "__main__":
    scale = 10
    runner = LocalRunner()
    futures = [runner.submit(pools, [Point(1), Point(2)]), runner.submit(what_it_is, Point(3)),
               runner.submit(bad, Point(4)), runner.submit(again)]
    resumed = runner.map(double, [Point(5)], resume=True)
    error = futures.pop(2).exception(60)
    pools, found, told = [future.result(60) for future in futures]
    assert pools == [[Point(2), Point(4)]] * 3, pools
    assert isinstance(error, TwiceError) and error.args == (4,), error
    assert resumed[0].result(60) == Point(10)
    print(json.dumps({**found, "told": told, "resumed": resumed[0].run_id}))
"""


SHORT = """
import json, sys
from tmgg.experiment_utils.cloud import LocalRunner

def double(x):
    return 2 * x

if __name__ == "__main__":
    again = "again" in sys.argv
    future, = LocalRunner().map(double, [1], resume=True, rerun_changed_code=again)
    print(json.dumps([future.run_id, future.result(60)]))
"""


def said(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_scripts_call_sees_the_script_as_at_home_and_is_known_again(folder: Path) -> None:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    first, _ = said(folder, "--depth", "2")

    assert first["file"] == str(script)
    assert (first["name"], first["argv"]) == ("__main__", ["script.py", "--depth", "2"])
    assert first["same"]
    assert first["scaled"] == 30
    assert "runs the command line of a job again" in first["told"]
    second, words = said(folder, "--depth", "3")
    assert second["resumed"] == first["resumed"]
    assert "another version" not in words

    # A process that has no such class gets a copy.
    from tmgg.experiment_utils.cloud import LocalRunner

    value = LocalRunner().future(first["resumed"]).result(LIMIT_S)
    assert (type(value).__name__, value.x) == ("Point", 10)


def test_a_call_of_changed_code_is_known_and_reported(folder: Path) -> None:
    script = folder / "script.py"
    script.write_text(SHORT)
    first, _ = said(folder)
    script.write_text(SHORT.replace("2 *", "3 *"))
    second, words = said(folder)

    assert second == first
    assert "1 was made by an earlier version of script.py" in words
    third, _ = said(folder, "again")
    assert (third[0] != first[0], third[1]) == (True, 3)


GUARDED = """
import functools, json, os, threading
from tmgg.experiment_utils.cloud import LocalRunner

K = 1
lock = threading.Lock()

def helper(x):
    return x * K

@functools.cache
def cached(x):
    return helper(x)

class Model:
    def scaled(self, x):
        return cached(x)

def fn(x):
    with lock:
        return Model().scaled(x)

def defl(n):
    def inner(x, y=n):
        return x * y
    return inner

if __name__ == "__main__":
    K = int(os.environ["K"])
    lock = threading.Lock()
    runner = LocalRunner()
    calls = [runner.map(fn, [8], resume=True)[0], runner.map(defl(K), [8], resume=True)[0],
             runner.map(lambda x: x * K, [8], resume=True)[0]]
    print(json.dumps([[each.run_id, each.result(60)] for each in calls]))
"""


def test_what_the_guarded_part_has_set_counts(folder: Path, monkeypatch: Any) -> None:
    (folder / "script.py").write_text(GUARDED)
    made = []
    for number in (2, 3, 2):
        monkeypatch.setenv("K", str(number))
        calls, _ = said(folder)
        assert [value for _, value in calls] == [8 * number] * 3
        made.append({run_id for run_id, _ in calls})
    assert made[0] == made[2]
    assert not made[0] & made[1]


WAYS = """
import json, sys
from tmgg.experiment_utils.cloud import LocalRunner

K = 1

def scaled(x):
    return K * x

class Base:
    def method(self, x):
        return K * x

class Child(Base):
    pass

class Holder:
    __slots__ = ("function",)
    def __init__(self, function):
        self.function = function

FUNCTIONS = {"scaled": scaled}
CHILD = Child()
HOLDER = Holder([scaled])

def by_name(x):
    return FUNCTIONS["scaled"](x)

def by_object(x):
    return CHILD.method(x)

def by_slot(x):
    return HOLDER.function[0](x)

def by_argument(child, x):
    return child.method(x)

def by_item(items, x):
    return items[0]["child"].method(x)

def by_call(function, x):
    return function(x)

if __name__ == "__main__":
    K = int(sys.argv[1])
    calls = [
        (by_name, 8), (by_object, 8), (by_slot, 8), (by_argument, Child(), 8),
        (by_item, [{"child": Child()}], 8), (by_call, CHILD.method, 8),
        (by_call, FUNCTIONS.get("scaled"), 8),
    ]
    runner = LocalRunner()
    futures = [runner.map(function, *([each] for each in arguments), resume=True)[0]
               for function, *arguments in calls]
    print(json.dumps([[each.run_id, each.result(60)] for each in futures]))
"""


def test_what_the_guarded_part_has_set_counts_by_whatever_way_it_is_used(folder: Path) -> None:
    (folder / "script.py").write_text(WAYS)
    made = []
    for number in (2, 3, 2):
        calls, _ = said(folder, str(number))
        assert [value for _, value in calls] == [8 * number] * 7
        made.append([run_id for run_id, _ in calls])
    assert made[0] == made[2]
    assert not {*made[0]} & {*made[1]}


CHANGED = """
import argparse, json, sys, threading
from tmgg.experiment_utils.cloud import LocalRunner
from settings import cfg

class Missing:
    pass

class Model:
    def __init__(self):
        self.weights = [1]

class Optimizer:
    def __init__(self, weights):
        self.weights = weights

    def step(self):
        self.weights[0] += 1

class Config:
    rate = 1

class Derived(Config):
    pass

CFG = {"rate": 1}
SAME = {"rate": 1}
OPTIONS = argparse.Namespace(rate=1)
MISSING = Missing()
NOT_MADE_HERE = [0]
MODEL = Model()
OPTIMIZER = Optimizer(MODEL.weights)
lock = threading.Lock()

def rates(x):
    with lock:
        return [CFG["rate"], cfg["rate"], OPTIONS.rate, Derived.rate, Derived().rate]

def plain(x, given=MISSING):
    return [SAME["rate"], given is MISSING, NOT_MADE_HERE]

def stepped(x):
    OPTIMIZER.step()
    return MODEL.weights

def train(x):
    return NOT_MADE_HERE.append(x)

def prepare(number):
    with lock:
        CFG["rate"] = number
    cfg.update(rate=number)
    Config.rate = number
    vars(OPTIONS).update(rate=number)
    print(SAME, MISSING)
    MODEL.weights[0] = number

def main():
    prepare(int(sys.argv[1]))
    runner = LocalRunner()
    calls = [runner.map(each, [8], resume=True)[0] for each in (rates, plain, stepped)]
    runner.submit(train, 1)
    print(json.dumps([[each.run_id, each.result(60)] for each in calls]))

if __name__ == "__main__":
    main()
"""


def test_what_functions_of_the_main_program_have_changed_in_place_counts(
    folder: Path,
) -> None:
    (folder / "settings.py").write_text("cfg = {'rate': 1}\n")
    (folder / "script.py").write_text(CHANGED)
    made = []
    for number in (2, 3, 2):
        calls, _ = said(folder, str(number))
        assert [value for _, value in calls] == [[number] * 5, [1, True, [0]], [number + 1]]
        made.append([run_id for run_id, _ in calls])
    assert made[0] == made[2]
    one, other = made[:2]
    assert [mine == yours for mine, yours in zip(one, other, strict=True)] == [False, True, False]


ODD = """
import json, xmlrpc.client
from tmgg.experiment_utils.cloud import LocalRunner

class Attributes(dict):
    __getattr__ = dict.__getitem__

class Odd:
    odd = Attributes(x=1)

    def x(self):
        return self.odd.x

config = Attributes(x=1)
proxy = xmlrpc.client.ServerProxy("http://localhost:1")

def taken(odd, number):
    return [config.x, type(proxy).__name__, odd.x(), number % 7]

if __name__ == "__main__":
    config = Attributes(x=2)
    print(json.dumps(LocalRunner().submit(taken, Odd(), 10**5000).result(60)))
"""


def test_objects_that_make_up_attributes_and_long_numbers_travel(folder: Path) -> None:
    (folder / "script.py").write_text(ODD)
    found, _ = said(folder)
    assert found == [2, "ServerProxy", 1, 10**5000 % 7]
