"""Words of the command line to a call; what is wrong with them in one line.

tyro answers a wrong word with a box of up to twenty lines. It is read here, by its title, and told
as any other wrong usage; a box that is not known is told with its whole text.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tyro

from tapetum.base.errors import UsageError

PROGRAM = "tapetum"
WRONG = 2
"""The exit code of tyro for words that it cannot take."""
PEERS = {
    "batch": "batch-size",
    "conf": "threshold",
    "img-size": "image-size",
    "imgsz": "image-size",
    "input-size": "image-size",
    "learning-rate": "lr",
    "lr0": "lr",
    "model-path": "weights",
    "name": "out",
    "num-workers": "workers",
    "opt": "optimizer",
    "output": "out",
    "output-dir": "out",
    "pretrained": "weights",
    "project": "out",
    "sched": "schedule",
    "score-thresh": "threshold",
    "source": "IMAGE",
    "wd": "weight-decay",
}
"""What other tools call an option, where the spelling alone does not lead to ours."""
KINDS = {"INT": "a whole number", "FLOAT": "a number"}


def parse(
    commands: Iterable[Callable[..., int]], words: Sequence[str], description: str
) -> Callable[[], int]:
    """The call that the words ask for, not yet made.

    Args:
        commands: functions whose arguments are the options.
        words: of the command line, without the program's name.
        description: what the help says first.

    Raises:
        UsageError: words that no command takes.
        SystemExit: after the help.
    """
    known = {command.__name__.rstrip("_"): command for command in commands}
    if words and words[0] not in known and not words[0].startswith("-"):
        raise UsageError(
            f"no command {words[0]!r}", hint=_near(words[0], known) or ", ".join(known)
        )
    if any(not word.strip() for word in words):
        raise UsageError("one of the words is empty", hint="is a variable of the shell not set?")
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            call = _run(known, words, description)
    except SystemExit as leaving:
        if leaving.code != WRONG:
            raise
        command = [word for word in words[:1] if word in known]
        options = _options(known, command, description)
        reason, hint = _unknown_option(words, options) or (_read(box.getvalue()), None)
        raise UsageError(reason, hint=hint or " ".join([PROGRAM, *command, "--help"])) from None
    sys.stderr.write(box.getvalue())  # warnings of libraries, if any
    return call


def _run(known: dict[str, Callable[..., int]], words: Sequence[str], description: str) -> Any:
    application = tyro.extras.SubcommandApp()
    for name, command in known.items():
        application.command(_later(command), name=name)
    return application.cli(
        prog=PROGRAM,
        description=description,
        args=list(words),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _later(command: Callable[..., int]) -> Any:
    """The command with the same options, which gives its call instead of making it."""

    @functools.wraps(command)
    def call(*values: Any, **named: Any) -> Callable[[], int]:
        return functools.partial(command, *values, **named)

    return call


def _options(
    known: dict[str, Callable[..., int]], command: list[str], description: str
) -> list[str]:
    """The options of the command, as its help lists them."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        _run(known, [*command, "--help"], description)
    listed = re.findall(r"^\W*?(?:-h, )?--([a-z][a-z-]*)", text.getvalue(), re.MULTILINE)
    return [*listed, *([] if command else ("version", "debug"))]


def _unknown_option(words: Sequence[str], options: list[str]) -> tuple[str, str | None] | None:
    """Reason and hint, if one of the words is an option that the command does not have."""
    for word in words:
        name = word.lstrip("-").partition("=")[0].replace("_", "-")
        if not re.match(r"--?[a-z]", word) or name in (*options, "h"):
            continue
        meant = PEERS.get(name, "")
        if meant.isupper():
            return f"no option {word}", f"{meant} is given without an option"
        return f"no option {word}", f"--{meant}" if meant in options else _near(name, options, "--")
    return None


def _read(box: str) -> str:
    """The reason of an error, from the box in which tyro tells it."""
    title, text = _text(box)
    if title == "Unrecognized options":
        return f"unexpected {text.partition(':')[2].split(', ')[0].strip()!r}"
    if title == "Value error":
        return _wrong_value(text)
    if title == "Invalid choice":
        return _wrong_choice(text)
    if title == "Missing argument":
        option = re.search(r"argument '(\S+)'", text)
        return f"{option[1] if option else text}: needs a value"
    if title == "Required options":
        return "needs " + " and ".join(re.findall(r"(?:^|\s)([A-Z]{2,}\S*)\s", text))
    if title == "Missing subcommand":
        return "needs a command: " + text.partition("{")[2].partition("}")[0]
    return f"{title}: {text}"


def _text(box: str) -> tuple[str, str]:
    """The title and the text up to the first rule, on one line each.

    A terminal without UTF-8 gets the title under no line but over one, and no sides.
    """
    lines = [re.sub(r"^[│|]|[│|]$", "", line).strip() for line in box.splitlines()]
    title = re.sub(r"[^\w ]", "", lines[0]).strip() if lines else ""
    body: list[str] = []
    for line in lines[1:]:
        if line and not re.search(r"\w", line):
            if body:
                break  # a rule; help follows
            continue
        body.append(line)
    return title, " ".join(" ".join(body).split()) + " "


def _near(name: str, known: Iterable[str], mark: str = "") -> str | None:
    """The known name that is spelled most alike."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"{mark}{near[0]}?" if near else None


def _wrong_value(text: str) -> str:
    found = re.search(r"Error parsing (\S+): no type matching (.*?) could .*? from (\[.*?\])", text)
    if found is None:
        return text.strip().removeprefix("Error parsing ")
    option, types, values = found.groups()
    kinds = [part for part in types.split("|") if part != "{None}"]
    wanted = " or ".join(KINDS.get(kind, kind) for kind in kinds)
    return f"{option}: expected {wanted}, got {values.strip('[]')}"


def _wrong_choice(text: str) -> str:
    found = re.search(
        r"invalid choice ('.*?') for argument '(\S+?)'. Expected one of \((.*)\)", text
    )
    if found is None:
        return text.strip()
    value, option, choices = found.groups()
    names = sorted(set(re.findall(r"'(.*?)'", choices)) - {"None"})
    return f"{option}: expected one of {', '.join(names)}, got {value}"
