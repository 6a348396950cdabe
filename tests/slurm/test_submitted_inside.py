"""A job that is submitted by a job: nothing of the outer one reaches it, not even its end."""

import json

from tests.slurm.login import PYTHON, Login

SCRIPT = """
import json, os, pathlib, sys, time
from tmgg import SlurmConfig, SlurmRunner

def runner(bootstrap):
    return SlurmRunner(SlurmConfig(
        nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="900MB", exclusive=False,
        nodelist="node1", ray_bootstrap=bootstrap))

def inner(outer_record):
    deadline = time.monotonic() + 100
    while not os.path.exists(outer_record) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # the outer job's supervisor ends what it takes for its own
    foreign = [name for name in os.environ if name.startswith(("RAY_", "TMGG_RAY", "TMGG_SET"))]
    return foreign, os.environ.get("TMPDIR"), os.path.exists(outer_record)

def outer():
    import tmgg
    run = tmgg.current_run()
    record = pathlib.Path("slurm_outputs/.ended", f"{run.run_id}.1.json").absolute()
    future = runner("none").submit(inner, str(record))
    while not future.running() and not future.done():
        time.sleep(0.1)
    return future.run_id, bool(run.ray_address), os.environ["TMPDIR"]

if __name__ == "__main__":
    run_id, had_ray, outers = runner("managed").submit(outer).result(200)
    print(json.dumps([had_ray, outers, *runner("none").future(run_id).result(200)]))
"""


def test_a_job_outlives_the_job_that_submitted_it_and_has_nothing_of_its_ray(alice: Login) -> None:
    alice.write("script.py", SCRIPT)

    told = alice.run(
        str(PYTHON), "script.py", env={"TMPDIR": "/var/tmp"}, timeout_s=280
    ).stdout.splitlines()[-1]

    had_ray, outers, foreign, own, has_outer_ended = json.loads(told)
    assert had_ray
    assert has_outer_ended
    assert foreign == []
    assert own == "/var/tmp" != outers
