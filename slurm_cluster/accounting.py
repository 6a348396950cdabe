"""Starts the accounting database, and makes the users, accounts and QOS in it as wanted."""

from slurm_cluster.accounts import AccountPlan, plan_accounts
from slurm_cluster.daemons import MARIADBD, SLURMDBD, as_user
from slurm_cluster.errors import ClusterError
from slurm_cluster.machine import Machine
from slurm_cluster.options import ClusterOptions
from slurm_cluster.state import write_file
from slurm_cluster.users import PEOPLE

_DATABASE = (
    "create database if not exists slurm_acct_db;"
    "create user if not exists slurm@localhost identified via unix_socket;"
    "grant all on slurm_acct_db.* to slurm@localhost;"
)
_USERS = ",".join(person.name for person in PEOPLE)


def start_accounting(controller: Machine, options: ClusterOptions) -> None:
    """Start MariaDB and slurmdbd. Makes the database at the first start, and fills it as wanted."""
    _make_database_files(controller)
    MARIADBD.start(controller)
    done = controller.cluster.database_is_seeded
    if not done.exists():
        controller.run_as_root(
            ["mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "-e", _DATABASE]
        )
    SLURMDBD.start(controller)
    plan = plan_accounts(options)
    if not done.exists() or done.read_text() != plan.to_json():
        _carry_out(controller, plan)
        write_file(done, plan.to_json())


def _make_database_files(controller: Machine) -> None:
    if not (controller.layout.mysql / "mysql").exists():
        controller.run_as_root(
            [
                *as_user("mysql"),
                "mariadb-install-db",
                "--no-defaults",
                "--skip-test-db",
                "--datadir=/var/lib/mysql",
                "--auth-root-authentication-method=socket",
            ],
            timeout_s=120,
        )


def _carry_out(controller: Machine, plan: AccountPlan) -> None:
    """Carry out the plan. Adds only missing entries, so an interrupted attempt can be repeated."""
    cluster = f"Cluster={plan.cluster}"
    _add(controller, "cluster", plan.cluster)
    for name, settings in plan.qos.items():
        _add(controller, "qos", name)
        _change(controller, "qos", f"name={name}", *settings)
    for account, allowed in plan.accounts.items():
        _add(controller, "account", account, cluster)
        _change(
            controller, "account", f"name={account}", f"qos={','.join(allowed)}",
            f"defaultqos={allowed[0]}",
        )  # fmt: skip
        _add_users(controller, account, cluster)
    first = next(iter(plan.accounts))
    _change(controller, "user", f"name={_USERS}", f"defaultaccount={first}")
    for user, more in plan.more_qos.items():
        _change(controller, "user", f"name={user}", *(f"qos+={name}" for name in more))
    _remove_others(controller, "account", {"root", *plan.accounts})
    _remove_others(controller, "qos", {"normal", *plan.qos})


def _add(controller: Machine, kind: str, name: str, *settings: str) -> None:
    if name not in _known(controller, kind):
        _sacctmgr(controller, "add", kind, name, *settings)


def _add_users(controller: Machine, account: str, cluster: str) -> None:
    listed = _sacctmgr(
        controller, "--noheader", "--parsable2", "list", "association",
        f"account={account}", "format=user",
    )  # fmt: skip
    missing = [person.name for person in PEOPLE if person.name not in listed.split()]
    if missing:
        _sacctmgr(controller, "add", "user", ",".join(missing), f"Account={account}", cluster)


def _change(controller: Machine, kind: str, whose: str, *settings: str) -> None:
    if settings:
        _sacctmgr(controller, "modify", kind, "where", whose, "set", *settings)


def _remove_others(controller: Machine, kind: str, wanted: set[str]) -> None:
    for name in _known(controller, kind):
        if name not in wanted:
            _sacctmgr(controller, "delete", kind, f"name={name}")


def _known(controller: Machine, kind: str) -> list[str]:
    field = {"cluster": "cluster", "account": "account", "qos": "name"}[kind]
    return _sacctmgr(
        controller, "--noheader", "--parsable2", "list", kind, f"format={field}"
    ).split()


def _sacctmgr(controller: Machine, *words: str) -> str:
    """Run sacctmgr; returns its stdout. Raises ClusterError if it fails.

    It also fails if a change modifies nothing; that raises no error here.
    """
    answer = controller.run_as_root(["sacctmgr", "--immediate", *words], check=False)
    said = answer.stdout + answer.stderr
    if answer.returncode != 0 and "Nothing modified" not in said:
        raise ClusterError(f"sacctmgr {' '.join(words)} failed: {said.strip()[-2000:]}")
    return answer.stdout
