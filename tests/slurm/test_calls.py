"""Functions of a user's script as Slurm jobs, and their futures."""

import json

from tests.slurm.login import PYTHON, Login

SCRIPT = """
import concurrent.futures, json, os, pathlib, pickle, sys, time
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner

runner = SlurmRunner(SlurmConfig(
    nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="300MB", exclusive=False,
    ray_bootstrap="none"))

class Purple(Exception):
    pass

def halved(x):
    if x % 2:
        raise Purple(f"{x} is odd")
    return x // 2, os.environ["SLURM_JOB_ID"]

def main():
    futures = runner.map(halved, range(4))
    pathlib.Path("odd.pkl").write_bytes(pickle.dumps(futures[1]))
    sleeper = runner.submit(time.sleep, 600)
    for future in concurrent.futures.as_completed(futures, timeout=200):
        assert future.done()
    while not sleeper.running():
        time.sleep(0.2)
    print(json.dumps({
        "ids": [future.run_id for future in futures],
        "values": [future.result()[0] for future in futures[::2]],
        "odd": [[isinstance(each.exception(), Purple), str(each.exception())]
                for each in futures[1::2]],
        "sbatch": runner.client.calls["sbatch"],
        "cancelled": [sleeper.cancel(), sleeper.cancelled()],
        "sleeper": sleeper.run_id,
        "job": sleeper.job_id,
    }))

if __name__ == "__main__":
    main()
"""
AGAIN = """
import json, pathlib, pickle, sys
from tmgg.experiment_utils.cloud import SlurmRunner
futures = SlurmRunner().future(sys.argv[1]), pickle.loads(pathlib.Path("odd.pkl").read_bytes())
print(json.dumps([[str(future.exception(200)), future.run_id] for future in futures]))
"""


def test_a_script_maps_its_function_over_one_array_and_has_its_values(alice: Login) -> None:
    alice.write("script.py", SCRIPT)
    alice.write("again.py", AGAIN)

    said = alice.run(str(PYTHON), "script.py", timeout_s=280).stdout
    told = json.loads(said.splitlines()[-1])

    assert told["values"] == [0, 1]
    assert told["odd"] == [[True, "1 is odd"], [True, "3 is odd"]]
    assert told["sbatch"] == 2
    assert told["cancelled"] == [True, True]
    # Its job is on its way out, and its run is told as cancelled.
    alice.run(str(PYTHON), "-m", "tmgg.cli.jobs", "wait", told["sleeper"], check=False)
    shown = alice.run(str(PYTHON), "-m", "tmgg.cli.jobs", "show", told["sleeper"]).stdout
    assert "cancelled" in shown
    # A retry is a run like any other; another process has its outcome.
    odd = told["ids"][1]
    alice.run(str(PYTHON), "-m", "tmgg.cli.jobs", "retry", odd)
    again = alice.run(str(PYTHON), "again.py", odd, timeout_s=240).stdout
    assert json.loads(again.splitlines()[-1]) == [["1 is odd", odd]] * 2
