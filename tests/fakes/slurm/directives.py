"""`#SBATCH` lines read as sbatch reads them.

The rules of sbatch's own parser (src/sbatch/opt.c, Slurm 22.05): lines count up to the first
command; white space separates arguments; quotes group, in either kind; a backslash takes the next
character literally, inside quotes too; an unquoted `#` begins a comment. Compared with a real
sbatch by tests/slurm/test_quoting.py.
"""

_FLAGS = (
    "--exclusive",
    "--requeue",
    "--no-requeue",
    "--no-kill",
    "--hold",
    "--parsable",
    "--contiguous",
)


def parse_directives(script: str) -> list[str]:
    """The arguments in all `#SBATCH` lines of a script; raises ValueError where sbatch ends."""
    arguments: list[str] = []
    for line in script.split("\n"):
        if line.startswith("#SBATCH"):
            arguments += split_arguments(line.removeprefix("#SBATCH"))
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return arguments


def split_arguments(line: str) -> list[str]:
    """One line's arguments."""
    arguments: list[str] = []
    rest = line
    while True:
        argument, rest = _next_argument(rest)
        if argument is None:
            return arguments
        arguments.append(argument)


def _next_argument(line: str) -> tuple[str | None, str]:
    line = line.lstrip(" \t\v\f\r")
    argument: list[str] = []
    quote = ""
    started = False
    position = 0
    while position < len(line) and (quote or line[position] not in " \t\v\f\r"):
        character = line[position]
        position += 1
        if character == "\\":
            # At the end of a line there is nothing left to take literally.
            argument += line[position : position + 1]
            position += 1
            started = True
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character == "#":
            return ("".join(argument) if started else None), ""
        else:
            argument.append(character)
            started = True
    if quote:
        raise ValueError(f"Unmatched `{quote}` in [{line}]")
    return ("".join(argument) if started else None), line[position:]


def parse_options(arguments: list[str]) -> dict[str, str]:
    """Long options by name, without dashes; a flag's value is empty. Others are a ValueError."""
    options: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            raise ValueError(f"sbatch: unrecognized argument {argument!r}")
        if not equals and name not in _FLAGS:
            raise ValueError(f"sbatch: option {name!r} requires an argument")
        options[name.removeprefix("--")] = value
    return options
