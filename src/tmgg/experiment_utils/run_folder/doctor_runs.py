"""Names of the runs that `tmgg-jobs doctor` submits: they are on record, but are no user's runs."""

import re
import secrets
import time

_DOCTORS = re.compile(r"doctor-\d{8}-\d{6}-[0-9a-f]{8}")


def new_doctor_run_id() -> str:
    """A new run id; such ids sort by time, as those of other runs do."""
    return f"doctor-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def is_doctors(run_id: str) -> bool:
    """Whether the doctor submitted it, and not the user."""
    return _DOCTORS.fullmatch(run_id) is not None
