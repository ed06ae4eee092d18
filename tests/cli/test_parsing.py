"""Words that no command takes: one line each, with the way out."""

import re

import pytest

from tapetum.cli.main import COMMANDS, main
from tapetum.cli.parsing import PEERS, _options

KNOWN = {command.__name__.rstrip("_"): command for command in COMMANDS}
TRAIN = "train resnet18 scenes"
LINES = {
    "trian resnet18": "no command 'trian' (hint: train?)",
    f"{TRAIN} --imgsz 64": "no option --imgsz (hint: --image-size)",
    f"{TRAIN} --img_size=64": "no option --img_size=64 (hint: --image-size)",
    f"{TRAIN} --learning-rate 1": "no option --learning-rate (hint: --lr)",
    f"{TRAIN} --epoch 1": "no option --epoch (hint: --epochs?)",
    f"{TRAIN} --bogus": "no option --bogus (hint: tapetum train --help)",
    "predict run --source x.jpg": "no option --source (hint: IMAGE is given without an option)",
    f"{TRAIN} --epochs 1.5": "--epochs: expected a whole number, got '1.5' (hint: tapetum train "
    "--help)",
    "predict run x.jpg --threshold high": "--threshold: expected a number, got 'high' (hint: "
    "tapetum predict --help)",
    f"{TRAIN} --unlabeled maybe": "--unlabeled: expected one of negative, skip, got 'maybe' "
    "(hint: tapetum train --help)",
    f"{TRAIN} --epochs": "--epochs: needs a value (hint: tapetum train --help)",
    f"{TRAIN} more": "unexpected 'more' (hint: tapetum train --help)",
    "check": "needs DATA (hint: tapetum check --help)",
    "explain --method saliency": "needs RUN and IMAGE (hint: tapetum explain --help)",
}


@pytest.mark.parametrize("boxes", ["utf-8", "ascii"])
@pytest.mark.parametrize("words", LINES)
def test_one_line_says_what_is_wrong(words, boxes, capsys, monkeypatch):
    monkeypatch.setattr("tyro._fmtlib._FORCE_UTF8_BOXES", boxes == "utf-8")
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"tapetum: {LINES[words]}\n"


def test_no_command_lists_them(capsys):
    assert main([]) == 2
    assert f"needs a command: {', '.join(KNOWN)}" in capsys.readouterr().err


def test_the_options_of_peers_lead_to_options_that_exist():
    ours = {option for name in KNOWN for option in _options(KNOWN, [name], "")}
    assert {meant for meant in PEERS.values() if not meant.isupper()} <= ours
    assert not PEERS.keys() & ours


@pytest.mark.parametrize("command", KNOWN)
def test_the_help_shows_no_none_among_choices(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert not re.search(r"[{,]None", capsys.readouterr().out)
