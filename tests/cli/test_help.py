"""Help comes at once, has examples, and names every command and option of the documentation."""

import os
import re
import subprocess
import sys

import pytest

from tests.cli.tools import tapetum

COMMANDS = (
    *("train", "evaluate", "predict", "explain", "report", "check", "convert"),
    *("export", "models", "data", "env", "demo"),
)


def test_help_does_not_import_torch_and_takes_under_half_a_second():
    best = 1e9
    for _ in range(3):
        before = os.times()
        result = tapetum("--help")
        after = os.times()  # CPU seconds: what else the machine does is not the command's
        user, system = (after[i] - before[i] for i in (2, 3))
        best = min(best, user + system)
    assert result.returncode == 0
    assert best < 0.5
    code = (
        "import sys; from tapetum.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'PIL', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command):
    result = tapetum(command, "--help")
    assert result.returncode == 0
    assert "default: None" not in result.stdout
    assert len(result.stdout.splitlines()) > 4


def test_the_main_commands_have_examples():
    for command in ("train", "evaluate", "predict", "explain", "check", "convert"):
        assert f"  tapetum {command} " in tapetum(command, "--help").stdout


def test_the_options_of_train_are_those_promised():
    text = tapetum("train", "--help").stdout
    promised = (
        "out val format epochs max-steps image-size batch-size lr optimizer seed backbone device "
        "precision workers resume"
    )
    missing = [name for name in promised.split() if not re.search(rf"--{name}\b", text)]
    assert missing == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", "--resume continues with bit-identical results"),
        ("train", "images without labels count as images without objects"),
        ("evaluate", "metrics of a results file against its ground truth"),
    ],
)
def test_help_is_in_the_words_of_the_field(command, words):
    plain = re.sub(r"[\u2500-\u257f]", " ", tapetum(command, "--help").stdout)
    assert words in " ".join(plain.split())


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", tapetum("--version").stdout)
