"""One error family: one printable line, and whole after a trip between processes."""

import ast
import pickle
import re
from pathlib import Path

import pytest

import tapetum
from tapetum.base.errors import ImageError, TapetumError, UsageError, printable
from tapetum.cli.options import spell
from tapetum.data.formats.registry import FORMATS


def test_the_line_names_file_place_reason_and_hint():
    error = ImageError("truncated", file="a.jpg", where="row 3", hint="copy it again")
    assert str(error) == "a.jpg: row 3: truncated (hint: copy it again)"


@pytest.mark.parametrize("name", ["a\nb.jpg", "\x1b[31mred.jpg", "a\rb", "tab\t", "\u202egpj.exe"])
def test_hostile_names_stay_on_one_visible_line(name):
    text = str(TapetumError("bad", file=name))
    assert text.isprintable()
    assert len(text.splitlines()) == 1


def test_an_error_survives_pickling_with_all_its_parts():
    error = UsageError("why", file="f", where="w", hint="h", option="o")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is UsageError
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_printable_leaves_ordinary_text_alone():
    assert printable("größe 5 × 3, 猫.jpg") == "größe 5 × 3, 猫.jpg"


def test_a_parameter_is_named_as_in_python_and_spelled_by_each_interface():
    error = UsageError("more than `batch_size`", file="x", option="max_steps", hint="lower `lr`")
    assert str(error) == "x: max_steps: more than batch_size (hint: lower lr)"
    assert error.text(str.upper) == "x: MAX_STEPS: more than BATCH_SIZE (hint: lower LR)"
    assert spell("max_steps") == "--max-steps"
    assert spell("from_run") == "--from"


SOURCE = Path(tapetum.__file__).parent
ABOVE = ("cli", "recipes", "reporting/sections", "reporting/page/style.py", "exporting/client")
"""The command line and commands that are suggested; style sheets; the client of an export, which
has a command line of its own."""
OF_OTHERS = {"--logdir", "--gpus"}
"""Options of TensorBoard and Docker."""


def test_below_the_command_line_nothing_spells_an_option():
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        if file.relative_to(SOURCE).as_posix().startswith(ABOVE):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", node.value)
                found += [f"{file}:{node.lineno}: {o}" for o in options if o not in OF_OTHERS]
    assert found == []


def test_what_stands_in_backquotes_and_is_no_parameter_keeps_its_name():
    hints = [format.looked_for for format in FORMATS.values()]
    assert "--" not in TapetumError("unknown", hint="; ".join(hints)).text(spell)
