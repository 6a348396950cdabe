"""Every message the program has for its users, read from its source.

A message is a text with `…` where a value goes. Found are: the texts of all TmggErrors that are
raised, of all failures of runs, of all warnings that are logged, and what jobs print with `tmgg: `
in front. A text that is made elsewhere is followed: to the variable it was put in, and to the
project's function that returned it. One that cannot be followed is `…` and nothing else; the test
wants a reason for each. Progress and answers of the commands are no messages in this sense.

`python -m tests.troubleshooting.messages` prints what docs/troubleshooting.md lacks.
"""

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src"
GUIDE = PROJECT / "docs" / "troubleshooting.md"
HOLE = "…"
FOLLOWED_AT_MOST = 4
FEWEST_LETTERS = 3
"""What has fewer says nothing."""
_JOB_LINE = re.compile(r'(?:tmgg_fail|echo) "(?:tmgg: )?(?P<text>[^"]*)"')
_SHELL_VALUE = re.compile(r"\$\(\(.*?\)\)|\$\{[^}]*\}|\$[A-Za-z0-9_?]+|@\{[^}]*\}")
_Function = ast.FunctionDef | None


@dataclass(frozen=True)
class Message:
    text: str
    where: str
    """File and function."""

    @property
    def is_opaque(self) -> bool:
        """Whether the source says nothing about the words."""
        return _letters(self.text) < FEWEST_LETTERS


@dataclass(frozen=True)
class _Site:
    """A function of the program; the module itself when None."""

    file: str
    function: _Function

    @property
    def name(self) -> str:
        return f"{self.file}:{self.function.name if self.function else '(module)'}"


class Source:
    """All Python files of the program, and what is said in them."""

    def __init__(self, folder: Path = SOURCE) -> None:
        self._folder = folder
        self._trees = {
            str(path.relative_to(folder)): ast.parse(path.read_text())
            for path in sorted(folder.rglob("*.py"))
        }

    @cached_property
    def error_classes(self) -> set[str]:
        """TmggError and all classes derived from it, by name."""
        classes = [
            node
            for tree in self._trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        ]
        names = {"TmggError"}
        while more := {
            node.name
            for node in classes
            if node.name not in names
            and any(isinstance(base, ast.Name) and base.id in names for base in node.bases)
        }:
            names |= more
        return names

    @cached_property
    def functions(self) -> dict[str, list[_Site]]:
        """All functions by name."""
        found: dict[str, list[_Site]] = {}
        for file, tree in self._trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    found.setdefault(node.name, []).append(_Site(file, node))
        return found

    def messages(self) -> list[Message]:
        """All messages, each text once for each function that says it."""
        found: dict[Message, None] = {}
        for file, tree in self._trees.items():
            for site, call in _calls(file, tree, None):
                said = self._what_is_said(call)
                for text in self._texts(said, site, FOLLOWED_AT_MOST) if said else ():
                    found[Message(_tidy(text), site.name)] = None
        for path in sorted(self._folder.rglob("*.sh.template")):
            found.update(dict.fromkeys(_of_job_script(path)))
        return list(found)

    def findings(self) -> list[tuple[str, str, str]]:
        """What the doctor can complain of: level, text and advice."""
        found: dict[tuple[str, str, str], None] = {}
        for file, tree in self._trees.items():
            for site, call in _calls(file, tree, None):
                if isinstance(call.func, ast.Name) and _called(call) in ("problem", "warning"):
                    said = (
                        self._texts(_nearest(item, site, call), site, FOLLOWED_AT_MOST)
                        for item in call.args[1:3]
                    )
                    for text, advice in itertools.product(*said):
                        found[_called(call), _tidy(text), _tidy(advice)] = None
        return list(found)

    def _what_is_said(self, call: ast.Call) -> ast.expr | None:
        """The argument that is a message for the user; None when the call says nothing."""
        name = _called(call)
        if name in self.error_classes and call.args:
            return call.args[0]
        if name == "failure" and len(call.args) == 2:
            return call.args[1]
        is_log = isinstance(call.func, ast.Attribute) and name in ("warning", "error")
        if is_log and isinstance(call.func.value, ast.Name) and call.func.value.id == "log":  # type: ignore[attr-defined]
            return call.args[0]
        if name == "write" and call.args and _begins_with(call.args[0], "tmgg: "):
            return call.args[0]
        return None

    def _texts(self, node: ast.expr, site: _Site, depth: int) -> list[str]:
        """What an expression can say."""
        match node:
            case ast.Constant(value=str(text)):
                return [re.sub(r"%[sdr]", HOLE, text)]
            case ast.JoinedStr(values=parts):
                return self._of_parts(parts, site, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                pairs = itertools.product(
                    self._texts(left, site, depth), self._texts(right, site, depth)
                )
                return ["".join(pair) for pair in pairs]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._texts(body, site, depth), *self._texts(orelse, site, depth)]
            case ast.Name(id=name) if depth:
                return self._of_variable(name, site, depth)
            case ast.Call(func=ast.Attribute(attr="join"), args=[ast.List(elts=[first, *_])]):
                return self._texts(first, site, depth)  # a first line, then evidence
            case ast.Call() if depth and _called(node) in self.functions:
                return self._of_function(_called(node), depth)
        return [HOLE]

    def _of_parts(self, parts: Sequence[ast.expr], site: _Site, depth: int) -> list[str]:
        """An f-string's text; where it says nothing itself, what its one value can say."""
        text = "".join(str(p.value) if isinstance(p, ast.Constant) else HOLE for p in parts)
        values = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
        if depth and len(values) == 1 and _letters(_tidy(text)) == 0:
            return [text.replace(HOLE, own) for own in self._texts(values[0], site, depth - 1)]
        return [text]

    def _of_variable(self, name: str, site: _Site, depth: int) -> list[str]:
        constants = ast.Module(self._trees[site.file].body, [])
        values = _assigned(name, ast.walk(site.function)) if site.function else []
        values = values or _assigned(name, ast.iter_child_nodes(constants))
        texts = [text for value in values for text in self._texts(value, site, depth - 1)]
        return list(dict.fromkeys(texts)) or [HOLE]

    def _of_function(self, name: str, depth: int) -> list[str]:
        texts = [
            text
            for site in self.functions[name]
            for node in ast.walk(site.function or ast.Module([], []))
            if isinstance(node, ast.Return) and node.value is not None
            for text in self._texts(node.value, site, depth - 1)
        ]
        return list(dict.fromkeys(texts)) or [HOLE]


def _assigned(name: str, nodes: Iterable[ast.AST]) -> list[ast.expr]:
    """All that a variable is set to."""
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _nearest(node: ast.expr, site: _Site, call: ast.Call) -> ast.expr:
    """What a variable was last set to before the call, by the order of lines; else the node."""
    if not isinstance(node, ast.Name) or site.function is None:
        return node
    values = [
        item
        for item in ast.walk(site.function)
        if isinstance(item, ast.Assign)
        and item.lineno < call.lineno
        and any(isinstance(target, ast.Name) and target.id == node.id for target in item.targets)
    ]
    return max(values, key=lambda item: item.lineno).value if values else node


def _calls(file: str, node: ast.AST, function: _Function) -> Iterator[tuple[_Site, ast.Call]]:
    """All calls below a node, each with the innermost function around it."""
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.Call):
            yield _Site(file, inner), child
        yield from _calls(file, child, inner)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _begins_with(node: ast.expr, beginning: str) -> bool:
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
    return isinstance(first, ast.Constant) and str(first.value).startswith(beginning)


def _of_job_script(path: Path) -> list[Message]:
    text = path.read_text().replace('\\"', "'")
    texts = (_SHELL_VALUE.sub(HOLE, found["text"]) for found in _JOB_LINE.finditer(text))
    return [Message(_tidy(text), path.name) for text in texts]


def _letters(text: str) -> int:
    return len(re.findall(r"[A-Za-z]", text))


def _tidy(text: str) -> str:
    """On one line, without the mark that jobs put in front."""
    return " ".join(text.split()).removeprefix("tmgg: ")


@dataclass(frozen=True)
class Row:
    """A line of the guide: `| `message` | cause | cure |`."""

    message: str
    cause: str
    cure: str

    def covers(self, message: Message) -> bool:
        """Whether the row's text is the message's or its beginning.

        `…` stands for a value or, so that like messages may share a row, for one name.
        """
        parts = [re.escape(part) for part in self.message.split(HOLE)]
        return re.match(rf"(?:{HOLE}|[A-Za-z_.]+)".join(parts), message.text) is not None


def rows_of_guide(text: str) -> list[Row]:
    """The rows whose first cell is a message in code."""
    lines = (re.split(r"(?<!\\)\|", line.strip()) for line in text.splitlines())
    cells = ([cell.strip() for cell in line[1:-1]] for line in lines if len(line) == 5)
    return [
        Row(message.strip("`").replace("\\|", "|"), cause, cure)
        for message, cause, cure in cells
        if message.startswith("`")
    ]


def missing_rows(messages: Sequence[Message], rows: Sequence[Row]) -> list[Message]:
    """The messages that no row covers."""
    return [
        message
        for message in messages
        if not message.is_opaque and not any(row.covers(message) for row in rows)
    ]


if __name__ == "__main__":
    rows = rows_of_guide(GUIDE.read_text()) if GUIDE.exists() else []
    for message in missing_rows(Source().messages(), rows):
        print(f"| `{message.text}` | | | <- {message.where}")
