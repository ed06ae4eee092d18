"""Custom models: a function or class in a Python file, "FILE.py:FUNCTION" in place of a name."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import UsageError
from tapetum.structures import TASKS, Model


def is_custom(model: str) -> bool:
    """Whether a name means a function in a file, rather than a model of CATALOG.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        True for the latter.
    """
    return custom_function(model) is not None


def custom_model(model: str) -> Callable[..., Model[Any]]:
    """The function that "FILE.py:FUNCTION" names.

    The file is run; the function is not called, and never will be if it does not declare a task.

    Args:
        model: "FILE.py:FUNCTION".

    Returns:
        The function.

    Raises:
        UsageError: the user did not name it (`CustomFunction.load`); no such file or function; the
            file fails, or the function declares no task, or is a class that is no `tapetum.Model`.
    """
    custom = custom_function(model)
    assert custom is not None
    function = custom.load()
    if declared_task(function) is None:
        why = "says of no task that it makes a model for it"
        hint = f'task = "..." in the class, and "-> Class" after the function; {", ".join(TASKS)}'
        raise UsageError(why, file=custom.file, where=custom.function, hint=hint)
    if isinstance(function, type) and not issubclass(function, Model):
        raise _no_model(function, model)
    return function


def as_model(built: object, name: str) -> Model[Any]:
    """What a function built, if it is a model.

    Args:
        built: what the function returned.
        name: "FILE.py:FUNCTION", or a name in CATALOG.

    Returns:
        The same object.

    Raises:
        UsageError: its class does not inherit `tapetum.Model`.
    """
    if not isinstance(built, Model):
        raise _no_model(type(built), name)
    return built


def _no_model(kind: type, name: str) -> UsageError:
    hint = "inherit tapetum.Model and implement its verbs"
    return UsageError(f"builds a {kind.__name__}, not a Model", file=name, hint=hint)


def declared_task(function: Callable[..., Any]) -> str | None:
    """The task that a function declares.

    It is the attribute `task` of a class or function, else of the class that the function's
    signature says it returns.

    Args:
        function: builds a model.

    Returns:
        One of TASKS; None where none of them is declared.
    """
    task = getattr(function, "task", None) or getattr(_returned(function), "task", None)
    return task if task in TASKS else None


def declared_settings(function: Callable[..., Any]) -> dict[str, Any]:
    """Settings of training that suit a model better than the defaults.

    They are the attribute `preferred_settings` of a class or function, else of the class that the
    function's signature says it returns.

    Args:
        function: builds a model.

    Returns:
        Settings by name; {} where none are declared.
    """
    custom = getattr(function, "preferred_settings", None)
    custom = custom or getattr(_returned(function), "preferred_settings", None)
    return dict(custom) if isinstance(custom, Mapping) else {}


def _returned(function: Callable[..., Any]) -> Any:
    try:
        return typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):  # a name in quotes that is not there at run time
        return None
