"""Texts that go to Slurm unchanged: the pattern that each must match, with an example."""

import re

_NAME = r"[A-Za-z0-9_.+-]+"
COMMAND = (re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*"), "python3")
PATTERNS: dict[str, tuple[re.Pattern[str], str]] = {
    "partition": (re.compile(rf"{_NAME}(,{_NAME})*"), "gpu or gpu,batch"),
    "clusters": (re.compile(_NAME), "cm4"),
    "account": (re.compile(r"[A-Za-z0-9_.+@:-]+"), "my-account or abc@v100"),
    "qos": (re.compile(rf"{_NAME}(,{_NAME})*"), "normal"),
    "constraint": (re.compile(r"[A-Za-z0-9_.&|*,:()\[\]+-]+"), "a100&nvlink"),
    "reservation": (re.compile(rf"{_NAME}(,{_NAME})*"), "course_2026"),
    "nodelist": (re.compile(r"[A-Za-z0-9_.,\[\]-]+"), "node[1-3],node7"),
    "exclude": (re.compile(r"[A-Za-z0-9_.,\[\]-]+"), "node[1-3],node7"),
    "gpu_type": (re.compile(_NAME), "a100"),
    "dependency": (re.compile(r"[a-z]+(:[0-9+_]+)*([,?][a-z]+(:[0-9+_]+)*)*"), "afterok:123"),
    "mail_user": (re.compile(r"[A-Za-z0-9_.%+@-]+"), "you@example.org"),
    "network_interface": (re.compile(r"[A-Za-z0-9_.:@-]{1,15}"), "ib0"),
    "mail_type": (re.compile(r"[A-Z_0-9]+(,[A-Z_0-9]+)*"), "END,FAIL"),
}
"""Pattern and example by the field of `SlurmConfig`."""
