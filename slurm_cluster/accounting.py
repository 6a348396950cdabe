"""The accounting database and what it knows from the start: users, an account, a QOS."""

from slurm_cluster.daemons import MARIADBD, SLURMDBD, as_user
from slurm_cluster.machine import Machine
from slurm_cluster.slurm_conf import CLUSTER_NAME
from slurm_cluster.users import PEOPLE

ACCOUNT = "research"
TINY_QOS = "tiny"
_DATABASE = (
    "create database if not exists slurm_acct_db;"
    "create user if not exists slurm@localhost identified via unix_socket;"
    "grant all on slurm_acct_db.* to slurm@localhost;"
)


def start_accounting(controller: Machine) -> None:
    """MariaDB and slurmdbd, with the database made and filled at the first start."""
    _make_database_files(controller)
    MARIADBD.start(controller)
    is_new = not controller.cluster.database_is_seeded.exists()
    if is_new:
        controller.run_as_root(
            ["mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "-e", _DATABASE]
        )
    SLURMDBD.start(controller)
    if is_new:
        _seed(controller)
        controller.cluster.database_is_seeded.touch()


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


def _seed(controller: Machine) -> None:
    """Every entry is made only when missing, so a broken first attempt can be repeated."""
    users = ",".join(person.name for person in PEOPLE)
    _add(controller, "cluster", CLUSTER_NAME)
    _add(controller, "account", ACCOUNT, f"Cluster={CLUSTER_NAME}")
    _add(controller, "user", users, f"Account={ACCOUNT}")
    limits = ["MaxJobsPU=1", "MaxSubmitJobsPU=2", "MaxTRESPerJob=cpu=1", "Flags=DenyOnLimit"]
    _add(controller, "qos", TINY_QOS, *limits)
    first = ["where", f"name={PEOPLE[0].name}"]
    controller.run_as_root(
        ["sacctmgr", "--immediate", "modify", "user", *first, "set", f"qos+={TINY_QOS}"]
    )


def _add(controller: Machine, kind: str, name: str, *settings: str) -> None:
    field = {"cluster": "cluster", "account": "account", "user": "user", "qos": "name"}[kind]
    known = controller.run_as_root(
        ["sacctmgr", "--noheader", "--parsable2", "list", kind, f"format={field}"]
    ).stdout.split()
    missing = [entry for entry in name.split(",") if entry not in known]
    if missing:
        controller.run_as_root(
            ["sacctmgr", "--immediate", "add", kind, ",".join(missing), *settings]
        )
