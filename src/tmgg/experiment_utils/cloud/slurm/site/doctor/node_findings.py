"""Findings from the notes that the nodes have written. Pure."""

from collections.abc import Sequence

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.doctor.survey import needs_ray_port
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.some_names import some_of

SLOW_RESOLVE_S = 2.0
SLOW_IMPORT_S = 30.0
SMALL_TMP_MB = 1024
CLOCK_SPREAD_S = 5.0
EXAMPLES = 5


def judge_nodes(
    config: SlurmConfig, notes: Sequence[JsonDict], links: Sequence[JsonDict], *, step_words: str
) -> list[Finding]:
    """All findings about the nodes; `step_words` is what srun printed."""
    missing = config.nodes - len(notes)
    if missing > 0:
        advice = "Look at srun's words; the interpreter and the folder must be there on every node."
        text = f"{missing} of {config.nodes} nodes left no report. {step_words}".strip()
        return [problem("nodes", text, advice), *(_all(config, notes, links) if notes else [])]
    return _all(config, notes, links)


def _all(
    config: SlurmConfig, notes: Sequence[JsonDict], links: Sequence[JsonDict]
) -> list[Finding]:
    return [
        *_shared_folder(notes),
        *_interpreter(notes),
        *_ray(notes),
        *_gpus(config, notes),
        *_addresses(notes),
        *_ports(config, notes),
        *_links(config, links),
        *_clocks(notes),
        *_temporary_folder(notes),
    ]


def _shared_folder(notes: Sequence[JsonDict]) -> list[Finding]:
    blind = [note["host"] for note in notes if not note["saw_nonce"]]
    if not blind:
        return [ok("shared folder", f"{len(notes)} nodes read what this machine wrote, and back")]
    text = f"{_some(blind)} cannot read what was written on this machine"
    advice = "Set slurm_output_dir to a folder on the file system that all nodes share."
    return [problem("shared folder", text, advice)]


def _interpreter(notes: Sequence[JsonDict]) -> list[Finding]:
    kinds = sorted(
        {f"{note['interpreter']} {note['python']}, tmgg {note['tmgg']}" for note in notes}
    )
    if len(kinds) == 1:
        return [ok("interpreter", f"{kinds[0]} on every node")]
    advice = "The nodes must have one environment: correct slurm_setup_commands or slurm_python."
    return [problem("interpreter", f"differs between nodes: {'; '.join(kinds)}", advice)]


def _ray(notes: Sequence[JsonDict]) -> list[Finding]:
    reports = {note["host"]: note["ray"] for note in notes if note["ray"] is not None}
    if not reports:
        return []
    bad = {host: report["trouble"] for host, report in reports.items() if "trouble" in report}
    if bad:
        trouble = next(iter(bad.values()))
        advice = "Install it into the environment that slurm_setup_commands activates."
        return [problem("Ray", f"on {_some(list(bad))}: {trouble}", advice)]
    versions = sorted({report["version"] for report in reports.values()})
    slowest_s = max(report["import_s"] for report in reports.values())
    if len(versions) > 1:
        advice = "All nodes must have the same Ray."
        return [problem("Ray", f"differs between nodes: {', '.join(versions)}", advice)]
    text = f"{versions[0]} on every node; importing it takes up to {slowest_s:.1f} s"
    if slowest_s > SLOW_IMPORT_S:
        advice = "A Python environment on a local disk, or packed in one file, starts sooner."
        return [warning("Ray", text, advice)]
    return [ok("Ray", text)]


def _gpus(config: SlurmConfig, notes: Sequence[JsonDict]) -> list[Finding]:
    reports = {note["host"]: note["gpus"] for note in notes if note["gpus"] is not None}
    if not reports:
        return []
    least = 0 if config.gpu_request == "none" else config.gpus_per_task
    few = [host for host, found in reports.items() if (found["visible"] or 0) < least]
    bare = [host for host, found in reports.items() if not found["driver"]]
    if few:
        text = f"fewer than slurm_gpus_per_task={config.gpus_per_task} visible on {_some(few)}"
        return [problem("GPUs", text, "Ask the administrators; gres.conf may not list them.")]
    if bare:
        wanted = " or ".join(reports[bare[0]]["wanted"])
        text = f"no GPU driver library ({wanted}) on {_some(bare)}"
        advice = (
            "Add the module load to slurm_setup_commands, for example 'module load cuda/12.1' "
            "(AMD: rocm)."
        )
        return [warning("GPUs", text, advice)]
    if not least:
        return [ok("GPUs", "Slurm is not asked for them; every node has a driver for GPUs")]
    return [ok("GPUs", f"{config.gpus_per_task} visible on every node")]


def _addresses(notes: Sequence[JsonDict]) -> list[Finding]:
    check = "head address"
    lost = {note["host"]: note["address_trouble"] for note in notes if note["address_trouble"]}
    if lost:
        host, trouble = next(iter(lost.items()))
        advice = "The administrators can tell which network the nodes share (NodeAddr)."
        return [problem(check, f"{host} cannot tell its address: {trouble}", advice)]
    slow = [note["host"] for note in notes if note["resolve_s"] > SLOW_RESOLVE_S]
    head = next((note for note in notes if note["number"] == 0), notes[0])
    found = [ok(check, f"{head['host']} is reached at {head['address']}")]
    if slow:
        text = f"looking a name up takes over {SLOW_RESOLVE_S:g} s on {_some(slow)}"
        advice = "TMGG goes by addresses, but other software may hang; tell the administrators."
        found.append(warning("name server", text, advice))
    return found


def _ports(config: SlurmConfig, notes: Sequence[JsonDict]) -> list[Finding]:
    if not any(note["ports"] for note in notes):
        return [ok("ports", "these jobs use none")]
    busy = [
        (note["host"], port, trouble)
        for note in notes
        for port, trouble in note["ports"].items()
        if trouble is not None
    ]
    if not busy:
        return [ok("ports", f"{_ports_used(config)} are free")]
    examples = "; ".join(f"{host}: {port} ({trouble})" for host, port, trouble in busy[:EXAMPLES])
    is_head = any(port == str(config.ray_port) for _host, port, _trouble in busy)
    if is_head and needs_ray_port(config):
        advice = "Set slurm_ray_port to another port; each job on shared nodes needs its own."
        return [problem("ports", f"in use: {examples}", advice)]
    advice = "The job takes other ports of the range; a range of your own avoids clashes."
    return [warning("ports", f"in use: {examples}", advice)]


def _links(config: SlurmConfig, links: Sequence[JsonDict]) -> list[Finding]:
    tried = sum(note["tried"] for note in links)
    failed = [(note["host"], link) for note in links for link in note["failed"]]
    if not failed:
        text = f"{tried} between the nodes, all made" if tried else "none to try with one node"
        return [ok("connections", text)]
    examples = "; ".join(
        f"{host} to {link['to']} ({link['address']}) port {link['port']}: {link['error']}"
        for host, link in failed[:EXAMPLES]
    )
    options = (
        "slurm_ray_port, slurm_min_worker_port and slurm_max_worker_port"
        if needs_ray_port(config)
        else "slurm_min_job_port and slurm_max_job_port"
    )
    advice = (
        f"A firewall may block {_ports_used(config)}. Ask which ports are open between nodes; set "
        f"{options}."
    )
    return [problem("connections", f"{len(failed)} of {tried} failed: {examples}", advice)]


def _clocks(notes: Sequence[JsonDict]) -> list[Finding]:
    offsets = [note["clock_offset_s"] for note in notes]
    spread_s = max(offsets) - min(offsets)
    if spread_s <= CLOCK_SPREAD_S:
        return [ok("clocks", f"agree within {max(spread_s, 0.1):.1f} s")]
    advice = "Times in tmgg-jobs show are off by that much; tell the administrators (NTP)."
    return [warning("clocks", f"differ by {spread_s:.0f} s between the nodes", advice)]


def _temporary_folder(notes: Sequence[JsonDict]) -> list[Finding]:
    small = [note["host"] for note in notes if note["tmp_free_mb"] < SMALL_TMP_MB]
    if not small:
        least = min(note["tmp_free_mb"] for note in notes)
        return [ok("/tmp", f"at least {least} MB free on every node")]
    advice = "Ray keeps its logs and spills objects there; ask the administrators for room."
    return [warning("/tmp", f"less than {SMALL_TMP_MB} MB free on {_some(small)}", advice)]


def _ports_used(config: SlurmConfig) -> str:
    if needs_ray_port(config):
        workers = f"{config.min_worker_port} to {config.max_worker_port}"
        return f"{config.ray_port} and samples of ports {workers}"
    return f"samples of ports {config.min_job_port} to {config.max_job_port}"


def _some(hosts: Sequence[str]) -> str:
    return some_of(hosts, EXAMPLES)
