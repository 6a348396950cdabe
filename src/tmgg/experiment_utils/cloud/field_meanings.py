"""Reads the text under each field of a config class, to make pages and files from it."""

import ast
import inspect


def field_meanings(config_class: type) -> dict[str, str]:
    """The text under each field, as one line. Python keeps it only in the source."""
    (cls,) = ast.parse(inspect.getsource(config_class)).body
    assert isinstance(cls, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, text in zip(cls.body, cls.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                meanings[name] = " ".join(meaning.split())
    return meanings
