"""Which source files name a thing in code: comments and docstrings aside."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import tapetum

ROOT = Path(tapetum.__file__).parent


@functools.cache
def modules() -> list[str]:
    """Every source file, relative to the package."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))


@functools.cache
def names_in(module: str) -> set[str]:
    """Identifiers, keywords, attributes and whole strings of a file."""
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    statements = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set() if id(node) in statements else {node.value}
        for field in ("id", "attr", "arg", "name"):
            value = getattr(node, field, None)
            found |= {value} if isinstance(value, str) else set()
    return found


def naming(*names: str) -> set[str]:
    """Files that name any of them."""
    return {module for module in modules() if set(names) & names_in(module)}
