"""Checks whether this node's environment has what the run needs: `python -m ... --ray|--no-ray`.

The job script runs it after the setup commands. For a missing or wrong package it prints one line,
in place of a traceback from every node. Every job starts it, so it imports very little.
"""

import sys

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY

# symmetric-run: absent before 2.50, never runs the command in 2.50 and 2.51, never starts more than
# one node in 2.52 and 2.53 (ray-project/ray#58875, #59795).
RAY_MINIMUM = (2, 54)


def main(arguments: list[str]) -> int:
    problem = ray_problem() if "--ray" in arguments else None
    if problem is not None:
        sys.stderr.write(f"tmgg: {problem}\n")
        return NO_RAY
    return 0


def ray_problem() -> str | None:
    """What is wrong with this environment's Ray; None if it can be used."""
    import importlib.metadata  # slower than all the rest, so only if Ray is wanted

    from tmgg.experiment_utils.extras import install_command, is_installed

    try:
        version = importlib.metadata.version("ray") if is_installed("ray") else None
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version is None:
        return (
            f"Ray is not installed for {sys.executable}. Install it: {install_command('ray')}; or "
            "activate the right environment in slurm_setup_commands, or use "
            "slurm_ray_bootstrap=none for an experiment that needs no Ray."
        )
    if parse_version(version) < RAY_MINIMUM:
        return (
            f"Ray {version} is too old: its symmetric-run does not start several nodes. Install "
            f'{RAY_MINIMUM[0]}.{RAY_MINIMUM[1]} or newer: pip install -U "ray[default,train]"'
        )
    return None


def parse_version(version: str) -> tuple[int, int]:
    """Major and minor number of a version such as 2.60.0 or 3.0.0.dev0."""
    import re  # only if Ray is wanted

    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
