"""`python -m tmgg.experiment_utils.cloud.ray stop`: end the user's Ray on this machine."""

import sys

from tmgg.experiment_utils.cloud.ray.own_ray import end_own_ray, find_own_ray, state_folder

_USAGE = "usage: python -m tmgg.experiment_utils.cloud.ray status|stop\n"


def main(arguments: list[str]) -> int:
    if arguments == ["status"]:
        ray = find_own_ray()
        words = "no Ray of yours" if ray is None else f"Ray's dashboard is at {ray.address}"
        sys.stdout.write(f"{words} on this machine ({state_folder()})\n")
        return 0
    if arguments == ["stop"]:
        sys.stdout.write("ended\n" if end_own_ray() else "there was none\n")
        return 0
    sys.stderr.write(_USAGE)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
