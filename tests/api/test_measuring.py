"""What a run is measured on when nobody says of which split."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapetum import api
from tapetum.base.errors import UsageError

OTHER = "scenes:occlusion=0.8,count=3"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.train(
        "linear",
        "scenes:count=4",
        out=tmp_path_factory.mktemp("measuring") / "run",
        image_size=16,
        batch_size=4,
        epochs=1,
        precision="fp32",
        observers=(),
    )


def test_other_scenes_are_measured_on_their_test_split(run: Path) -> None:
    said: list[str] = []
    assert (
        api.evaluate(run, OTHER, log=said.append).stats
        == api.evaluate(run, OTHER, split="test").stats
    )
    assert said[-1].startswith(f"{OTHER}: 3 images")
    names = [row["image"] for row in api.evaluate(run, OTHER).results()]
    assert names == ["test-00000", "test-00001", "test-00002"]


def test_a_split_of_other_scenes_can_be_said(run: Path) -> None:
    rows = api.evaluate(run, OTHER, split="val").results()
    assert [row["image"] for row in rows] == ["val-00000", "val-00001", "val-00002"]
    with pytest.raises(UsageError, match="scenes have no split 'all'"):
        api.evaluate(run, OTHER, split="all")
