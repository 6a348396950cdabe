"""Two clients of one folder: what each sees of the other's doings at once, late, or no more."""

import errno
import os
import subprocess

import pytest

from slurm_cluster.processes import wait_until
from tests.fakes.network_folder import Clients, clients

__all__ = ["clients"]


def test_a_name_that_was_missing_stays_missing_until_its_folder_is_listed(clients: Clients) -> None:
    assert not (clients.b / "result").exists()
    (clients.a / "result").write_text("7")
    assert not (clients.b / "result").exists()
    with pytest.raises(FileNotFoundError):
        (clients.b / "result").read_text()
    assert [path.name for path in clients.b.iterdir()] == ["result"]
    assert (clients.b / "result").read_text() == "7"


def test_attributes_are_old_until_the_file_is_opened(clients: Clients) -> None:
    (clients.a / "log").write_text("one")
    assert (clients.b / "log").stat().st_size == 3
    with (clients.a / "log").open("a") as stream:
        stream.write(" two")
    assert (clients.b / "log").stat().st_size == 3
    with (clients.b / "log").open() as stream:
        assert os.fstat(stream.fileno()).st_size == 7
        assert stream.read() == "one two"


def test_a_rename_is_seen_late_and_what_it_replaced_is_not_read(clients: Clients) -> None:
    (clients.a / "old").write_text("old")
    (clients.a / "moved").write_text("moved")
    assert (clients.b / "old").stat().st_size == 3
    assert (clients.b / "moved").stat().st_size == 5
    (clients.a / "moved").rename(clients.a / "elsewhere")
    assert (clients.b / "moved").exists()
    (clients.a / "new").write_text("longer")
    (clients.a / "new").rename(clients.a / "old")
    assert (clients.b / "old").stat().st_size == 3
    assert (clients.b / "old").read_text() == "longer"


def test_a_file_that_another_removed_is_stale_to_who_has_it_open(clients: Clients) -> None:
    (clients.a / "log").write_text("text")
    with (clients.b / "log").open() as stream, (clients.b / "log").open("a") as writer:
        (clients.a / "log").unlink()
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            stream.read()
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            os.write(writer.fileno(), b"more")
    assert not list(clients.server.iterdir())


def test_a_file_that_is_removed_where_it_is_open_stays_under_another_name(clients: Clients) -> None:
    folder = clients.a / "folder"
    folder.mkdir()
    (folder / "log").write_text("text")
    with (folder / "log").open() as stream:
        (folder / "log").unlink()
        (silly,) = folder.iterdir()
        assert silly.name.startswith(".nfs")
        with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
            folder.rmdir()
        with pytest.raises(OSError, match=os.strerror(errno.EBUSY)):
            silly.unlink()
        assert stream.read() == "text"
    wait_until(lambda: not any(clients.server.glob("folder/*")), timeout_s=5, what="its end")
    folder.rmdir()


def test_one_of_two_makes_a_name_whatever_the_other_believes(clients: Clients) -> None:
    assert not (clients.b / "owner").exists()
    (clients.b / "mine").write_text("b")
    (clients.a / "owner").write_text("a")
    with pytest.raises(FileExistsError):
        os.link(clients.b / "mine", clients.b / "owner")
    with pytest.raises(FileExistsError):
        (clients.b / "owner").open("x")
    with pytest.raises(FileExistsError):
        (clients.b / "owner").mkdir()


def test_files_belong_to_who_made_them(clients: Clients) -> None:
    script = "umask 027; mkdir d; echo x > d/f; ln -s f d/s; chmod 2750 d; mkdir d/e; cat d/s"
    user = ["setpriv", "--reuid=5001", "--regid=5002", "--clear-groups", "--"]
    argv = [*user, "sh", "-ec", script]
    done = subprocess.run(argv, cwd=clients.a, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    made = clients.server / "d"
    modes = {path.name: oct(path.lstat().st_mode) for path in (made, made / "e", made / "f")}
    assert modes == {"d": "0o42750", "e": "0o42750", "f": "0o100640"}
    for path in (made, made / "e", made / "f", made / "s"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (5001, 5002)


def test_the_working_directory_keeps_its_name_when_its_folder_is_listed(clients: Clients) -> None:
    (clients.a / "d" / "e").mkdir(parents=True)
    shell = subprocess.Popen(
        ["python3", "-c", "import os; input(); print(os.getcwd())"], cwd=clients.b / "d" / "e",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    (clients.a / "d" / "another").mkdir()
    assert len(list((clients.b / "d").iterdir())) == 2
    assert shell.communicate("\n", timeout=10)[0] == f"{clients.b}/d/e\n"
