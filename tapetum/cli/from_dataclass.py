"""Options of the command line from dataclasses: a field's docstring is the help of its option."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Collection, Mapping
from dataclasses import fields, make_dataclass
from operator import getitem
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tyro.conf import Positional, arg

METAVARS = {int: "N", float: "X", str: "NAME"}


def options_of(
    name: str,
    sources: Collection[type],
    *,
    positional: Collection[str] = (),
    without: Collection[str] = (),
    other_types: Mapping[str, Any],
    metavars: Mapping[str, str],
) -> type:
    """A dataclass for tyro with all fields of `sources`, each None unless it is given.

    Args:
        name: of the new class.
        sources: dataclasses whose fields have docstrings.
        positional: fields that are given by their place.
        without: fields that are no options.
        other_types: other types than a field has, by its name.
        metavars: what stands for the value in the help, by field; else it follows from the type.
    """
    made: list[tuple[str, Any, None]] = []
    for source in sources:
        hints, helps = get_type_hints(source), field_docs(source)
        for known in (known.name for known in fields(source) if known.name not in without):
            kind = plain_type(other_types.get(known, hints[known]))
            details = arg(
                help=helps[known],
                metavar=metavars.get(known, metavar_of(kind)),
                help_behavior_hint="",
            )
            # Types that are made while running: mypy reads brackets as an annotation.
            option = getitem(Annotated, (kind | None, details))
            if known in positional:
                option = getitem(Positional, option)
            made.append((known, option, None))
    return make_dataclass(name, made, frozen=True)


def metavar_of(kind: Any) -> str | None:
    """What stands for a value in the help: the choices, without the None of an option not given."""
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return METAVARS.get(kind)


def plain_type(hint: Any) -> Any:
    """`int` of `int | None`; other types as they are."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    (kind,) = (part for part in get_args(hint) if part is not types.NoneType)
    return kind


def field_docs(source: type) -> dict[str, str]:
    """The docstrings that stand under the fields of a dataclass, by field, on one line each."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(source))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for line, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(following, ast.Expr):
            assert isinstance(line.target, ast.Name)
            assert isinstance(following.value, ast.Constant)
            found[line.target.id] = " ".join(str(following.value.value).split())
    return found
