"""`tmgg-jobs explain`."""

from typing import TYPE_CHECKING, Any

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunArgument

if TYPE_CHECKING:
    from tmgg.cli.meanings import Meaning


def explain(run: RunArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Say why a run is pending or has failed, and what to do about it."""
    from tmgg.cli.explaining import explain_run
    from tmgg.cli.run_json import unanswered
    from tmgg.cli.selection import find_meant
    from tmgg.console import exit_codes
    from tmgg.console.printing import put_json
    from tmgg.experiment_utils.cloud.judging.polling import state_or_raise
    from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    meaning = find_meant(run, folder)
    if not meaning.is_one_run or meaning.removed:
        _explain_sweep(meaning, as_json=as_json)
        return
    chosen = read_known_run(meaning.runs[0])
    state = state_or_raise(Reattached([chosen]).poll_all()[0])
    explanation = explain_run(chosen, state)
    if as_json:
        put_json(explanation)
    else:
        _put(explanation)
    if unanswered([state]):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _put(explanation: dict[str, Any]) -> None:
    from tmgg.console.printing import put
    from tmgg.console.words import put_words

    put_words(explanation["summary"])
    for reason in explanation["reasons"]:
        put()
        put_words(f"{reason['reason']}: {reason['words']}")
        if reason["advice"]:
            put_words(reason["advice"], indent="  ")
    if explanation["estimated_start"]:
        put(f"\nSlurm expects it to start at {explanation['estimated_start']}.")
    if explanation["failure"]:
        put(f"\n{explanation['failure']['message']}")
    if explanation["evidence"]:
        put("\nFrom its logs:")
        for line in explanation["evidence"]:
            put(f"  {line}")
    if explanation["failure"]:
        put()
        put_words(f"HINT: {explanation['failure']['hint']}")
    for line in explanation["advice"]:
        put()
        put_words(f"It {line}.")


def _explain_sweep(meaning: "Meaning", *, as_json: bool) -> None:
    from tmgg.cli.run_json import unanswered
    from tmgg.cli.sweep_view import view_sweep
    from tmgg.console import exit_codes
    from tmgg.console.printing import put, put_json
    from tmgg.console.words import put_words

    view = view_sweep(meaning)
    if as_json:
        put_json(view.to_json() | {"waiting": view.waiting()})
    else:
        put(view.summary())
        if view.causes:
            put(f"\n{view.render_causes(with_messages=True)}")
        for problem in view.problems():
            put(f"\n{problem}")
        for reason in view.waiting():
            put()
            put_words(f"{len(reason['runs'])} pending ({reason['reason']}): {reason['words']}")
            if reason["advice"]:
                put_words(reason["advice"], indent="  ")
    if unanswered(view.found):
        raise typer.Exit(exit_codes.NO_ANSWER)
