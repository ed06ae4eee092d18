"""A function in a Python file of the user, named as "my_model.py:build".

Such code is run by `CustomFunction.load` alone, and only if the user named it, on a command line or
in a call, now or earlier, and the file has not changed since (`tapetum.base.trust`). That a run or
a checkpoint names code is never a reason to run it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tapetum.base import trust
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.files import read_bytes
from tapetum.base.limits import DEFAULT_LIMITS

_WORDS = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)", re.DOTALL)
CUSTOM_MODULE = "tapetum_own"
UNNAMED = "not run, because you have not named it yourself"
CHANGED = "not run, because it has changed since you named it"
NAME_IT = "name it on the command line, or in the call, if you trust it"


@dataclass(frozen=True)
class CustomFunction:
    """A function, or a class, at the top level of a Python file. file: absolute."""

    file: Path
    function: str

    def __str__(self) -> str:
        """ "FILE.py:FUNCTION" with the absolute path."""
        return f"{self.file}:{self.function}"

    def digest(self) -> str:
        """The sha256 of the file.

        Raises:
            UsageError: no such file.
        """
        return hashlib.sha256(self._content()).hexdigest()

    def name(self) -> None:
        """Note that the user named it: it may be run in this process, as the file is now.

        Raises:
            UsageError: no such file.
        """
        trust.name(str(self), self.digest())

    def keep(self) -> None:
        """Note the same for later commands, too."""
        trust.keep(str(self), self.digest())

    def source(self) -> bytes:
        """The content of a file that may be run; a file that was never named is not read.

        Raises:
            UsageError: the user did not name it, or it has changed since.
        """
        known = trust.digests(str(self))
        if not known:
            raise UsageError(UNNAMED, file=self.file, where=self.function, hint=NAME_IT)
        source = self._content()
        if hashlib.sha256(source).hexdigest() not in known:
            raise UsageError(CHANGED, file=self.file, where=self.function, hint=NAME_IT)
        return source

    def load(self) -> Callable[..., Any]:
        """Run the file, once for each content that it had, and return the function.

        While it runs its folder is the first on sys.path, so that it may import its neighbours.

        Raises:
            UsageError: as for `source`; no such file or function, or the file fails; the line says
                where.
        """
        source = self.source()
        self._refuse_unnamed(source)
        folded = hashlib.sha256(str(self.file).encode() + b"\0" + source).hexdigest()
        name = f"{CUSTOM_MODULE}_{self.file.stem}_{folded[:16]}"
        module = sys.modules.get(name) or self._run(name, source)
        function = getattr(module, self.function)
        if not callable(function):
            raise UsageError("is no function", file=self.file, where=self.function)
        return function

    def _content(self) -> bytes:
        if not self.file.is_file():
            raise UsageError("no such file", file=self.file)
        return read_bytes(self.file, DEFAULT_LIMITS.text_bytes)

    def _refuse_unnamed(self, source: bytes) -> None:
        """Parse the file before running it: a file without the function is not run."""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = None if line is None else f"line {line}"
            raise UsageError(f"not Python: {error.args[0]}", file=self.file, where=where) from error
        names = list(_defined(tree))
        if self.function not in names:
            hint = "it has " + (", ".join(n for n in names if not n.startswith("_")) or "none")
            raise UsageError(f"has no function {self.function!r}", file=self.file, hint=hint)

    def _run(self, name: str, source: bytes) -> ModuleType:
        trust.tell(f"running {self.file}")
        loader = _Seen(name, str(self.file), source)
        spec = importlib.util.spec_from_file_location(name, self.file, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and annotations look their module up
        try:
            with _neighbors(self.file.parent):
                loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, TapetumError | KeyboardInterrupt):
                raise
            raise custom_code_error(error, self) from error
        return module


class Fresh(importlib.machinery.SourceFileLoader):
    """Compiles the source each time: a bytecode file would lie beside it, and may be stale."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Seen(Fresh):
    """Compiles the bytes whose digest was compared, even if the file has changed since."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_data(self, path: str) -> bytes:
        return self._source if path == self.path else super().get_data(path)


def custom_function(text: str) -> CustomFunction | None:
    """Parse the name of a function in a Python file.

    Args:
        text: "FILE.py:FUNCTION".

    Returns:
        The function, or class, with the absolute path of its file; None if `text` is not of this
        form.

    Raises:
        UsageError: the file system does not allow such a file name.
    """
    match = _WORDS.fullmatch(text)
    if match is None:
        return None
    try:
        return CustomFunction(Path(match["file"]).resolve(), match["function"])
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, too long, links in a circle
        raise UsageError(f"not a usable file name: {error}", file=match["file"]) from error


def custom_code_error(error: BaseException, code: CustomFunction) -> UsageError:
    """The error of custom code as one line, with the place in its file.

    Args:
        error: what the code raised.
        code: the code.

    Returns:
        The error to raise.
    """
    line, trace = None, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == code.file:
            line = trace.tb_lineno
        trace = trace.tb_next
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = code.function if line is None else f"line {line}"
    return UsageError(why, file=code.file, where=where, hint="TAPETUM_DEBUG=1 shows the traceback")


def place_in_custom_code(error: BaseException) -> str | None:
    """The innermost place of an error that lies in custom code.

    Args:
        error: that was raised while custom code ran, or by it.

    Returns:
        "FILE.py: line 12"; None if no custom code took part.
    """
    specs = (getattr(module, "__spec__", None) for module in list(sys.modules.values()))
    loaders = (getattr(spec, "loader", None) for spec in specs)
    files = {loader.path for loader in loaders if isinstance(loader, Fresh)}
    place, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in files:
            place = f"{trace.tb_frame.f_code.co_filename}: line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and assigned names of a file's top level, without imported ones."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


@contextmanager
def _neighbors(folder: Path) -> Iterator[None]:
    """Inside, modules of `folder` can be imported; afterwards sys.path is as it was."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
