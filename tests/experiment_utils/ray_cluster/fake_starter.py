"""Stands for `ray start`: says and does what the variable FAKE_STARTS has for this attempt.

`up` says so, leaves a "raylet" running and waits; `quiet` does so by its exit code alone; a number
is an exit code, before the order came when it is negative.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def main(pipe: int) -> int:
    folder = Path(os.environ["FAKE_FOLDER"])
    attempt = len(list(folder.glob("order*")))
    what = os.environ["FAKE_STARTS"].split()[attempt]
    if what.startswith("-"):
        print("cannot import")
        return -int(what)
    order = json.loads(sys.stdin.readline())
    (folder / f"order{attempt}").write_text(json.dumps(order["arguments"]))
    if what not in ("up", "quiet"):
        print(f"attempt {attempt} failed")
        return int(what)
    subprocess.Popen([folder / "raylet", "60"], stdout=subprocess.DEVNULL)
    if what == "up":
        os.write(pipe, b"up\n")
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
