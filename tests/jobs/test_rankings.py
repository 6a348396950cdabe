"""By which metric runs are ranked: that of the sweep that was meant, unless the user chooses."""

from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, record_sweep
from tmgg.cli.meanings import Meaning
from tmgg.cli.rankings import chosen_ranking, ranking_of_meanings
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.run_folder.paths import RunPaths

FIRST, RESUMED = "20261123-091502-aaaaaaaa", "20261124-091502-bbbbbbbb"
ACCURACY = Ranking("accuracy", "max")


def record(folder: Path, sweep_id: str, run_ids: list[str], ranking: Ranking) -> Meaning:
    """A sweep with its record; what it means."""
    metric = {"metric": ranking.metric or "", "metric_mode": ranking.mode}
    paths = record_sweep(folder, sweep_id, run_ids, **metric)
    return Meaning(tuple(RunPaths(folder, run_id) for run_id in run_ids), paths)


def test_a_resumed_sweep_has_its_own_ranking_and_not_that_of_the_one_before(
    tmp_path: Path,
) -> None:
    first = record(tmp_path, FIRST, [f"{FIRST}-0", f"{FIRST}-1"], Ranking("loss"))
    resumed = record(tmp_path, RESUMED, [f"{FIRST}-0", f"{RESUMED}-1"], ACCURACY)
    again = record(tmp_path, "20261125-091502-cccccccc", [f"{FIRST}-0", f"{FIRST}-1"], ACCURACY)
    assert ranking_of_meanings([first]) == Ranking("loss")
    assert ranking_of_meanings([resumed]) == ACCURACY
    assert ranking_of_meanings([again]) == ACCURACY, "all of its runs are of the first sweep"


def test_runs_that_are_meant_one_by_one_are_ranked_as_their_sweep(tmp_path: Path) -> None:
    record(tmp_path, FIRST, [f"{FIRST}-0", f"{FIRST}-1"], ACCURACY)
    record(tmp_path, RESUMED, ["mine-a", "mine-b"], ACCURACY)
    for names in ((f"{FIRST}-0", f"{FIRST}-1"), ("mine-a", "mine-b"), (f"{FIRST}-0", "mine-b")):
        assert ranking_of_meanings([Meaning((RunPaths(tmp_path, each),)) for each in names]) == (
            ACCURACY
        )


def test_launches_that_differ_in_their_rankings_have_the_default(tmp_path: Path) -> None:
    first = record(tmp_path, FIRST, [f"{FIRST}-0"], Ranking("loss"))
    other = record(tmp_path, RESUMED, [f"{RESUMED}-0"], ACCURACY)
    alone = Meaning((RunPaths(tmp_path, "alone"),))
    for meanings in ([first, other], [first, alone], [alone], []):
        assert ranking_of_meanings(meanings) == Ranking()


@pytest.mark.parametrize(
    ("launched", "sort", "largest", "ranking"),
    [
        (Ranking("score"), None, True, Ranking("score", "max")),
        (ACCURACY, "accuracy", False, ACCURACY),
        (ACCURACY, "loss", False, Ranking("loss", "min")),
        (ACCURACY, "loss", True, Ranking("loss", "max")),
        (Ranking(), None, True, Ranking(None, "max")),
        (Ranking(None, "max"), "val_loss", False, Ranking("val_loss", "max")),
    ],
)
def test_what_the_user_leaves_open_is_as_the_launch_chose_it(
    tmp_path: Path, launched: Ranking, sort: str | None, largest: bool, ranking: Ranking
) -> None:
    meant = record(tmp_path, FIRST, [f"{FIRST}-0"], launched)
    assert chosen_ranking([meant], sort=sort, largest=largest) == ranking


def test_collect_watch_and_report_rank_a_sweep_with_names_of_its_own(
    here: Path, tmgg_jobs: Jobs
) -> None:
    record(here / "local_outputs", FIRST, [BAD, DIVERGING, GOOD], Ranking("epochs", "max"))
    assert f"best epochs: 3 (run {GOOD})" in tmgg_jobs("collect", FIRST).out
    assert "best epochs: 3" in tmgg_jobs("watch", FIRST).out
    tmgg_jobs("report", FIRST, "-o", "page.html")
    assert "epochs" in (here / "page.html").read_text()
