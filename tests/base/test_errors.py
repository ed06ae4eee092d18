"""One error family: one printable line, and whole after a trip between processes."""

import pickle

import pytest

from tapetum.base.errors import ImageError, TapetumError, UsageError, printable


def test_the_line_names_file_place_reason_and_hint():
    error = ImageError("truncated", file="a.jpg", where="row 3", hint="copy it again")
    assert str(error) == "a.jpg: row 3: truncated (hint: copy it again)"


@pytest.mark.parametrize("name", ["a\nb.jpg", "\x1b[31mred.jpg", "a\rb", "tab\t", "\u202egpj.exe"])
def test_hostile_names_stay_on_one_visible_line(name):
    text = str(TapetumError("bad", file=name))
    assert text.isprintable()
    assert len(text.splitlines()) == 1


def test_an_error_survives_pickling_with_all_its_parts():
    error = UsageError("why", file="f", where="w", hint="h")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is UsageError
    assert (copy.why, copy.file, copy.where, copy.hint) == ("why", "f", "w", "h")
    assert str(copy) == str(error)


def test_printable_leaves_ordinary_text_alone():
    assert printable("größe 5 × 3, 猫.jpg") == "größe 5 × 3, 猫.jpg"
