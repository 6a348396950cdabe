"""Files of sites: what is refused, what slurm.conf makes of them, that the Lua parses."""

import ctypes
import ctypes.util
from dataclasses import replace
from pathlib import Path

import pytest

from slurm_cluster import ClusterOptions, OptionError
from slurm_cluster.accounts import plan_accounts
from slurm_cluster.site import find_site, parse_site, site_names
from slurm_cluster.slurm_conf import render_gres_conf, render_slurm_conf

SITE = """
title = "Somewhere"
sources = ["https://example.org"]
rules = ["One."]
launcher = "slurm_nodes: 1\\n"
defaults = "no"
job_submit = "function check(job) end"

[[nodes]]
count = 2
cpus = 8
memory_mb = 1000
gpus = 2
gpu_type = "a100"
features = ["big", "new"]

[[nodes]]
count = 1
cpus = 4
memory_mb = 2000

[[partitions]]
name = "main"
groups = [0]
settings = { Default = "YES", MaxTime = "60" }

[[partitions]]
name = "all"
groups = [0, 1]

[accounts]
physics = ["long", "normal"]
art = []

[qos]
long = ["MaxWall=01:00:00"]

[slurm_conf]
MaxArraySize = "11"
"""


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> ClusterOptions:
    site = parse_site("somewhere", SITE)
    monkeypatch.setattr("slurm_cluster.options.find_site", lambda name: site)
    return ClusterOptions(site="somewhere")


def test_nodes_partitions_and_settings_reach_slurm_conf(options: ClusterOptions) -> None:
    lines = render_slurm_conf(options, process_tracking="proctrack/cgroup").splitlines()
    nodes = [line for line in lines if line.startswith("NodeName=")]
    assert nodes[0].startswith("NodeName=node[1-2] NodeAddr=10.99.0.[11-12] ")
    assert "CoresPerSocket=8" in nodes[0]
    assert "RealMemory=1000 Gres=gpu:a100:2 Feature=big,new " in nodes[0]
    assert nodes[1].startswith("NodeName=node[3-3] NodeAddr=10.99.0.[13-13] ")
    assert "Gres" not in nodes[1]
    assert [line for line in lines if line.startswith("PartitionName=")] == [
        "PartitionName=main Nodes=node[1-2] State=UP Default=YES MaxTime=60",
        "PartitionName=all Nodes=node[1-2],node[3-3] State=UP",
    ]
    assert "MaxArraySize=11" in lines
    assert "JobSubmitPlugins=lua" in lines


def test_gpus_have_the_sites_type(options: ClusterOptions) -> None:
    assert render_gres_conf(options) == (
        "NodeName=node[1-2] Name=gpu Type=a100 File=/run/fake-gpus/gpu[0-1]\n"
    )


def test_the_first_account_is_the_users_and_each_has_a_default_qos(
    options: ClusterOptions,
) -> None:
    plan = plan_accounts(options)
    assert list(plan.accounts.items()) == [("physics", ("long", "normal")), ("art", ("normal",))]
    assert plan.qos == {"long": ["MaxWall=01:00:00"]}


def test_a_site_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"title = '\xff'")
    with pytest.raises(OptionError, match=r"mine\.toml is no text in UTF-8: .* at byte 9"):
        find_site(str(file))


def test_the_site_decides_the_sizes(options: ClusterOptions) -> None:
    assert (options.nodes, options.cpus, options.memory_mb, options.gpus) == (3, 8, 2000, 2)
    with pytest.raises(OptionError, match="has nodes 3, not 5"):
        replace(options, nodes=5)


def test_sizes_of_a_site_are_not_kept_in_the_state_file(options: ClusterOptions) -> None:
    assert "nodes" not in options.to_json()
    assert ClusterOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "titles =", "titles"),
        ('title = "Somewhere"', "", "title"),
        ("cpus = 8", "cpu = 8", "cpu"),
        ("groups = [0, 1]", "groups = [0, 2]", "all"),
        ('physics = ["long", "normal"]', 'physics = ["short"]', "short"),
        ("art = []", "Art = []", "Art in lower case"),
        ("[[nodes]]", "[nodes", "somewhere.toml"),
    ],
)
def test_a_mistake_in_a_file_is_named(old: str, new: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        parse_site("somewhere", SITE.replace(old, new))


def test_an_unknown_site_is_named_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="there is no site 'atlantis'"):
        ClusterOptions(site="atlantis")


@pytest.mark.parametrize("name", site_names())
def test_every_site_has_sources_rules_and_something_that_it_refuses(name: str) -> None:
    site = find_site(name)
    assert all(url.startswith(("https://", "http://")) for url in site.sources)
    assert site.sources
    assert site.rules
    assert site.refused


@pytest.mark.parametrize("name", site_names())
def test_job_submit_lua_parses(name: str) -> None:
    assert lua_error(find_site(name).job_submit_lua) is None


def test_a_mistake_in_lua_is_seen() -> None:
    assert "'end' expected" in (lua_error("function check(job)") or "")


def lua_error(text: str) -> str | None:
    """What the Lua that Debian's Slurm has says of a script that it only parses."""
    name = ctypes.util.find_library("lua5.1")
    if name is None:
        pytest.skip("liblua5.1 is not here; Debian's Slurm packages bring it")
    lua = ctypes.CDLL(name)
    lua.luaL_newstate.restype = ctypes.c_void_p
    lua.lua_tolstring.restype = ctypes.c_char_p
    lua.lua_tolstring.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    lua.luaL_loadstring.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lua.lua_close.argtypes = [ctypes.c_void_p]
    state = lua.luaL_newstate()
    try:
        if lua.luaL_loadstring(state, text.encode()) == 0:
            return None
        return str(lua.lua_tolstring(state, -1, None).decode())
    finally:
        lua.lua_close(state)
