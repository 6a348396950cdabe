"""Users and groups of this machine: their names, their numbers, and who is in which group."""

import functools
import grp
import pwd


def user_name(uid: int) -> str:
    """The login of a user, or `uid NUMBER` if this machine knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def find_user(name: str) -> int | None:
    """The number of a user; None if this machine knows no such user."""
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def find_group(name: str) -> int | None:
    """The number of a group; None if this machine knows no such group."""
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


@functools.cache
def is_private(group: int, user: int) -> bool:
    """Whether the user is the only member, as with Debian's user-private groups (umask 002).

    A directory service may not list all members of a group. So the group must also have the number
    or the name of the user.
    """
    name = user_name(user)
    if group != user and group_name(group) != name:
        return False
    return members(group) <= {user}


@functools.cache
def members(group: int) -> frozenset[int]:
    """The users in a group, as far as this machine lists them."""
    try:
        names = grp.getgrgid(group).gr_mem
    except KeyError:
        names = []
    listed = {uid for name in names if (uid := find_user(name)) is not None}
    return frozenset(listed | {each.pw_uid for each in pwd.getpwall() if each.pw_gid == group})


def group_name(group: int) -> str:
    """The name of a group, or `gid NUMBER` if this machine knows none."""
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return f"gid {group}"
