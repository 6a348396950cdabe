"""What a client of a network file system sees late, and what makes it ask its server again."""

from pathlib import Path

from tests.fakes.network_folder import Clients, clients
from tmgg.experiment_utils.files.looking import appears, look_anew, look_anew_on_the_way

__all__ = ["clients"]


def test_a_name_that_was_missing_is_found_once_its_folder_was_opened(clients: Clients) -> None:
    name = clients.b / "run" / "result.json"
    (clients.a / "run").mkdir()
    assert not name.exists()
    (clients.a / "run" / "result.json").write_text("{}")
    assert not name.exists()
    look_anew(clients.b, name.parent)
    assert name.read_text() == "{}"


def test_a_folder_made_elsewhere_is_found_with_what_is_in_it(clients: Clients) -> None:
    folder = clients.b / "run" / "1"
    assert not folder.exists()
    (clients.a / "run" / "1").mkdir(parents=True)
    assert not folder.exists()
    look_anew(clients.b, folder.parent, folder)
    assert folder.exists()


def test_a_folder_of_which_even_the_parents_were_missing_is_found(clients: Clients) -> None:
    below = Path("out") / "run" / "1"
    for depth in (2, 1, 0):  # `out`, then `out/run`, then `out/run/1` are made too late
        made = below.parents[depth - 1] if depth else below
        assert not (clients.b / made).exists()
        (clients.a / made).mkdir()
        assert not (clients.b / made).exists()
        look_anew_on_the_way(clients.b / below)
        assert (clients.b / made).exists()


def test_a_file_that_another_client_makes_appears_at_the_next_look(clients: Clients) -> None:
    name = clients.b / "stop"
    assert not appears(name)
    (clients.a / "stop").touch()
    assert not name.exists()
    assert appears(name)


def test_looking_anew_where_nothing_is_or_nobody_may_look_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    look_anew(tmp_path / "gone", tmp_path / "file")
