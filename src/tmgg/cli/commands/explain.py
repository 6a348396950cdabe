"""`tmgg-jobs explain`."""

from typing import Any

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunArgument


def explain(run: RunArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Say why a run is pending, or why it failed, and what to do about it."""
    from tmgg.cli import exit_codes
    from tmgg.cli.explaining import explain_run
    from tmgg.cli.printing import put_json
    from tmgg.cli.run_json import poll_or_raise, unanswered
    from tmgg.cli.selection import find_one
    from tmgg.experiment_utils.cloud.reattach import Reattached

    chosen = find_one(run, folder)
    state = poll_or_raise(Reattached([chosen]))[0]
    explanation = explain_run(chosen, state)
    if as_json:
        put_json(explanation)
    else:
        _put(explanation)
    if unanswered([state]):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _put(explanation: dict[str, Any]) -> None:
    from tmgg.cli.printing import put

    put(explanation["summary"])
    for reason in explanation["reasons"]:
        put(f"\n{reason['reason']}: {reason['words']}")
        if reason["advice"]:
            put(f"  {reason['advice']}")
    if explanation["estimated_start"]:
        put(f"\nSlurm expects it to start at {explanation['estimated_start']}.")
    if explanation["failure"]:
        put(f"\n{explanation['failure']['message']}")
    if explanation["evidence"]:
        put("\nFrom its logs:")
        for line in explanation["evidence"]:
            put(f"  {line}")
    if explanation["failure"]:
        put(f"\nHINT: {explanation['failure']['hint']}")
