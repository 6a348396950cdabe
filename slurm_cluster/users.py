"""The users that exist only inside a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class User:
    """A login of the cluster; its group has the same name and number."""

    name: str
    uid: int
    home: PurePosixPath

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a login sets; they do not depend on the caller's environment."""
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": "/bin/bash",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }


ROOT = User("root", 0, PurePosixPath("/root"))
PEOPLE = (
    User("alice", 5001, PurePosixPath("/shared/home/alice")),
    User("bob", 5002, PurePosixPath("/shared/home/bob")),
)


def find_user(name: str) -> User:
    """The user called `name`; KeyError when the cluster has none."""
    return {user.name: user for user in (ROOT, *PEOPLE)}[name]


def render_passwd(host_passwd: str, people: Iterable[User] = PEOPLE) -> str:
    """The host's /etc/passwd with `people`, who replace users with the same name or number."""
    people = tuple(people)
    lines = _without(host_passwd, people, number_column=2)
    lines += [f"{p.name}:x:{p.uid}:{p.uid}::{p.home}:/bin/bash" for p in people]
    return "\n".join(lines) + "\n"


def render_group(host_group: str, people: Iterable[User] = PEOPLE) -> str:
    """The host's /etc/group with one more group for each of `people`."""
    people = tuple(people)
    lines = _without(host_group, people, number_column=2)
    lines += [f"{p.name}:x:{p.uid}:" for p in people]
    return "\n".join(lines) + "\n"


def render_shadow(host_shadow: str, people: Iterable[User] = PEOPLE) -> str:
    """The host's /etc/shadow with locked passwords for `people`."""
    people = tuple(people)
    lines = _without(host_shadow, people, number_column=None)
    lines += [f"{p.name}:!:19000:0:99999:7:::" for p in people]
    return "\n".join(lines) + "\n"


def _without(text: str, people: tuple[User, ...], *, number_column: int | None) -> list[str]:
    names = {person.name for person in people}
    numbers = {str(person.uid) for person in people}
    return [
        line
        for line in text.splitlines()
        if (columns := line.split(":"))[0] not in names
        and (number_column is None or columns[number_column] not in numbers)
    ]
