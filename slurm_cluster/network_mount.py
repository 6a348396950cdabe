"""The command that serves a network folder; this module can be imported without pyfuse3."""

from pathlib import Path

# Debian's interpreter: pyfuse3 is a package of its.
_PYTHON = "/usr/bin/python3"


def mount_command(source: str, at: str) -> list[str]:
    """Mounts `source` at `at` as a client of NFS has it, and serves until it is killed."""
    package = Path(__file__).parent
    environment = [f"PYTHONPATH={package.parent}", "PYTHONDONTWRITEBYTECODE=1"]
    module = f"{package.name}.network_folder"
    return ["/usr/bin/env", *environment, _PYTHON, "-s", "-m", module, source, at]
