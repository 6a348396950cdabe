"""The command that serves a network folder; this module can be imported without pyfuse3."""

from pathlib import Path

# Debian's interpreter, because pyfuse3 is installed as a package of Debian.
_PYTHON = "/usr/bin/python3"


def mount_command(source: str, at: str) -> list[str]:
    """A command that mounts `source` at `at`, as an NFS client would, and serves until killed."""
    package = Path(__file__).parent
    environment = [f"PYTHONPATH={package.parent}", "PYTHONDONTWRITEBYTECODE=1"]
    module = f"{package.name}.network_folder"
    return ["/usr/bin/env", *environment, _PYTHON, "-s", "-m", module, source, at]
