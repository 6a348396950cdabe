"""Ways into a Ray cluster, to be tried with and without its token: `python intruder.py WAY ...`.

Prints one JSON value: what was reached, or `{"refused": ...}`. Whether the token is there is a
matter of the environment (RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH), as for everybody.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


def connect_as_driver(address: str) -> dict[str, Any]:
    import ray

    try:
        ray.init(address=address, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        return {"refused": str(error)}
    return {"nodes": sorted(node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"])}


def join_as_node(address: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ray"), "start", f"--address={address}",
         "--num-cpus=1", "--object-store-memory=90000000"],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return {"joined": True} if done.returncode == 0 else {"refused": done.stderr[-2000:]}


def use_job_api(address: str) -> dict[str, Any]:
    """Submit a job to the agent of a node, as Ray's own client would."""
    token_file = os.environ.get("RAY_AUTH_TOKEN_PATH")
    headers = {"Content-Type": "application/json"}
    if token_file:
        headers["Authorization"] = f"Bearer {Path(token_file).read_text().strip()}"
    request = urllib.request.Request(
        f"http://{address}/api/job_agent/jobs/",
        data=json.dumps({"entrypoint": "true"}).encode(),
        headers=headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return {"accepted": json.load(answer)}
    except urllib.error.HTTPError as error:
        return {"refused": f"{error.code}: {error.read().decode()}"}


def read_file(path: str) -> dict[str, Any]:
    try:
        return {"read": len(Path(path).read_bytes())}
    except OSError as error:
        return {"refused": str(error)}


WAYS = {way.__name__: way for way in (connect_as_driver, join_as_node, use_job_api, read_file)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](*sys.argv[2:])))
