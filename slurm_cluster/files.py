"""The folders that machines share: /etc with the configuration, and /shared."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from slurm_cluster.cgroups import process_tracking
from slurm_cluster.layout import ClusterLayout
from slurm_cluster.options import ClusterOptions
from slurm_cluster.processes import run_host
from slurm_cluster.releases import root_of, slurm_version, system_user
from slurm_cluster.slurm_conf import (
    render_cgroup_conf,
    render_gres_conf,
    render_job_container_conf,
    render_login_conf,
    render_slurm_conf,
    render_slurmdbd_conf,
)
from slurm_cluster.state import write_file
from slurm_cluster.users import PEOPLE, render_group, render_passwd, render_shadow


def make_shared_folder(layout: ClusterLayout) -> None:
    """Make /shared, with private home folders and a scratch folder for all users."""
    (layout.shared / "home").mkdir(parents=True, exist_ok=True)
    scratch = layout.shared / "scratch"
    scratch.mkdir(exist_ok=True)
    scratch.chmod(0o1777)
    for person in PEOPLE:
        home = layout.shared / "home" / person.name
        if not home.exists():
            home.mkdir(mode=0o700)
            os.chown(home, person.uid, person.uid)


def make_etc(layout: ClusterLayout, root: Path) -> None:
    """Make a new copy of the /etc of `root`, with the cluster's users."""
    key_file = layout.etc / "munge" / "munge.key"
    key = key_file.read_bytes() if key_file.exists() else os.urandom(128)
    if layout.etc.exists():
        shutil.rmtree(layout.etc)
    original = root / "etc"
    run_host(["cp", "--archive", str(original), str(layout.etc)])
    write_file(layout.etc / "passwd", render_passwd((original / "passwd").read_text()))
    write_file(layout.etc / "group", render_group((original / "group").read_text()))
    shadow = render_shadow((original / "shadow").read_text())
    write_file(layout.etc / "shadow", shadow, mode=0o600)
    # No name server: one that does not answer stalls gRPC for half a minute.
    write_file(layout.etc / "resolv.conf", "# names come from /etc/hosts only\n")
    for name in ("hosts", "hostname"):  # every machine binds its own files over these
        write_file(layout.etc / name, "")
    _write_munge_key(key_file, key, system_user(root, "munge"))


def write_slurm_configuration(layout: ClusterLayout, options: ClusterOptions) -> bool:
    """Write Slurm's files as `options` say. Returns whether any of them changed."""
    layout.slurm_etc.mkdir(exist_ok=True)
    root = root_of(options.release)
    tracking = process_tracking()
    cgroup = render_cgroup_conf(options, slurm_version=slurm_version(root))
    wanted = {
        "slurm.conf": render_slurm_conf(options, process_tracking=tracking),
        "gres.conf": render_gres_conf(options),
        "job_container.conf": render_job_container_conf(options),
        **_lua_files(options),
        "cgroup.conf": cgroup if tracking == "proctrack/cgroup" else "",
    }
    changed = [name for name, text in wanted.items() if _differs(layout.slurm_etc / name, text)]
    for name in changed:
        write_file(layout.slurm_etc / name, wanted[name])
    slurmdbd = layout.slurm_etc / "slurmdbd.conf"
    if not slurmdbd.exists():
        owner, _group = system_user(root, "slurm")
        write_file(slurmdbd, render_slurmdbd_conf(options), mode=0o600, owner=owner)
    _write_login_configuration(layout, options, wanted)
    return bool(changed)


def _lua_files(options: ClusterOptions) -> dict[str, str]:
    site = options.rules
    return {
        "job_submit.lua": "" if site is None else site.job_submit_lua,
        "cli_filter.lua": "" if site is None else site.cli_filter,
    }


def _write_login_configuration(
    layout: ClusterLayout, options: ClusterOptions, files: Mapping[str, str]
) -> None:
    """Write the login node's /etc/slurm.

    If the site has no default cluster, its slurm.conf names a cluster whose controller never
    answers.
    """
    layout.login_slurm_etc.mkdir(exist_ok=True)
    slurm_conf = files["slurm.conf"]
    if options.rules is not None and not options.rules.default_cluster:
        slurm_conf = render_login_conf(slurm_conf, options)
    for name, text in {**files, "slurm.conf": slurm_conf}.items():
        write_file(layout.login_slurm_etc / name, text)


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text() != text


def _write_munge_key(path: Path, key: bytes, owner: tuple[int, int]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    for entry in (path.parent, path):
        os.chown(entry, *owner)
