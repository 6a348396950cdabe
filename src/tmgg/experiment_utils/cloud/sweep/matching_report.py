"""The lines that the user sees about a resumed sweep before anything is submitted. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED
from tmgg.experiment_utils.cloud.sweep.earlier_runs import has_failed
from tmgg.experiment_utils.cloud.sweep.matching import Matching
from tmgg.experiment_utils.some_names import some_of

FOLDERS_SHOWN = 5
"""How many other sweep folders are named at most, those with the most runs first."""


def render_matching(matching: Matching) -> list[str]:
    """The lines to show before anything is submitted."""
    states = matching.states
    total, known = len(matching.requests), len(matching.recognised)
    failed = sum(has_failed(states.get(run_id)) for run_id in matching.recognised)
    open_count = sum(_is_open(states.get(run_id)) for run_id in matching.recognised)
    apart = [f"{open_count} under way"] * bool(open_count) + [f"{failed} failed"] * bool(failed)
    words = f" ({', '.join(apart)})" if apart else ""
    lines = [f"resume: {known} of {total} recognised{words}; {total - known + failed} to run"]
    waiting = sum(_waits_for_its_launcher(states.get(run_id)) for run_id in matching.recognised)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        lines.append(
            f"  {waiting} {verb} for the launcher that put them on record, which is still at work; "
            "they are submitted here if it ends before"
        )
    lines += _of_other_folders(matching)
    if matching.removed:
        lines.append(
            f"  {len(matching.removed)} of them ran before, and somebody removed the folder with "
            f"the result (for example {matching.removed[0]}); they run again"
        )
    made = matching.other_code
    kept = [label for run_id, label in made.items() if not has_failed(states.get(run_id))]
    for label, count in Counter(kept).items():
        lines.append(
            _render_other_code(label, count, is_rerun=not matching.recognised >= set(made))
        )
    lines += _recognised(
        matching.moved,
        ", but places of Hydra's that may be inputs have changed: {}; give them on the command "
        "line if they are",
    )
    lines += _recognised(
        matching.made_anew,
        " by what is written in {}, where each evaluation gives another value",
    )
    lines += _recognised(matching.reordered, ", but the order of keys in {} differs")
    for program, count in Counter(matching.elsewhere.values()).items():
        verb = "has" if count == 1 else "have"
        lines.append(
            f"  {count} {verb} the config of an earlier run by {program}, which is not there any "
            "more; another program's results are not taken"
        )
    for names, count in Counter(tuple(each) for each in matching.near.values()).items():
        verb = "differs" if count == 1 else "differ"
        lines.append(f"  {count} {verb} from an earlier run in {some_of(names)}")
    if matching.without_identity:
        lines.append(
            f"  {matching.without_identity} runs of an older TMGG may be the same; their records "
            "do not tell which program they are of, so they do not count"
        )
    return lines


def _recognised(names_of: Mapping[str, Sequence[str]], words: str) -> list[str]:
    """A line for each set of names: how many runs it concerns, and what `words` say of the names.

    `names_of` has the names by run id.
    """
    counts = Counter(tuple(each) for each in names_of.values())
    return [
        f"  {count} {'is' if count == 1 else 'are'} recognised{words.format(some_of(names))}"
        for names, count in counts.items()
    ]


def _of_other_folders(matching: Matching) -> list[str]:
    kept = matching.folders.keys() & matching.recognised
    folders = Counter(matching.folders[run_id] for run_id in sorted(kept))
    lines = [
        f"  {count} {'is' if count == 1 else 'are'} of another sweep folder: the files are in "
        f"{folder}"
        for folder, count in folders.most_common(FOLDERS_SHOWN)
    ]
    if (more := len(folders) - FOLDERS_SHOWN) > 0:
        lines.append(f"  and the files of others in {more} more sweep folders")
    for folder, count in Counter(matching.anew.values()).items():
        verb = "runs" if count == 1 else "run"
        lines.append(
            f"  {count} {verb} in this launch's sweep folder; what did not complete in "
            f"{folder or 'another one'} stays as it is"
        )
    return lines


def _render_other_code(label: str, count: int, *, is_rerun: bool) -> str:
    verb = "was" if count == 1 else "were"
    cure = "run again" if is_rerun else "rerun_changed_code=true runs such again"
    return f"  {count} {verb} made by an earlier version of {label}; {cure}"


def _is_open(state: Found | None) -> bool:
    return state is not None and not isinstance(state, RunError) and not state.final


def _waits_for_its_launcher(state: Found | None) -> bool:
    if state is None or isinstance(state, RunError):
        return False
    return not state.final and state.reason == NOT_SUBMITTED
