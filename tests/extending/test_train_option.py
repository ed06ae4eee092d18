"""One more option of `train`: a field with its docstring, in TrainOptions or Settings, and the code
that acts on it. The command and `tapetum.train` follow from the field."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tapetum.cli.main import main
from tapetum.cli.options import spell
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions, nested
from tests.extending.source import naming

OWNERS = {
    "layer_decay": {"training/layer_groups.py", "training/optim.py"},
    "freeze": {"training/layer_groups.py", "training/beginning.py"},
    "ema_decay": {"training/beginning.py"},
    "warmup_steps": {"training/optim.py"},
}
"""Settings, and the files that act on them."""

SPELLED = {"model": "MODEL", "data": "DATA", "settings": "an option each", "validate": "--val none"}
"""Fields that have no option of their own name."""


@pytest.mark.parametrize("option", OWNERS)
def test_an_option_is_one_file_beside_those_that_act_on_it(option: str) -> None:
    files = {name for name in naming(option) if not name.startswith("recipes/")}
    assert files - OWNERS[option] == {"runs/settings.py"}


def test_an_option_of_the_data_is_one_file_beside_those_that_act_on_it() -> None:
    """Two more files know the names of options in runs of earlier versions."""
    earlier = {"runs/aliases.py", "runs/record.py"}
    files = naming("unlabeled") - {"data/reading/training_data.py"} - earlier
    assert files == {"runs/train_options.py"}


def test_every_field_is_an_option_and_a_keyword(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    help = capsys.readouterr().out
    for field in (*fields(TrainOptions), *fields(Settings)):
        assert SPELLED.get(field.name) or spell(field.name) in help, field.name
        assert nested({field.name: {}})
