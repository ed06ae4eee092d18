"""Files that tapetum wrote are known again as long as nobody has changed them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapetum.base.errors import UsageError
from tapetum.base.outputs import refuse_output
from tapetum.base.written import FILE, listing, remove, replaceable


def written(folder: Path, *names: str) -> None:
    with listing(folder) as files:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"ours: {name}")
            files.append(path)


def test_what_was_written_may_be_replaced_until_it_is_changed(tmp_path: Path) -> None:
    written(tmp_path, "a.png", "b.png")
    written(tmp_path, "c.png")
    (tmp_path / "b.png").write_text("edited")
    (tmp_path / "mine.png").write_text("mine")
    ours = replaceable(tmp_path)
    assert ours == {tmp_path / "a.png", tmp_path / "c.png"}
    refuse_output(tmp_path / "a.png", replaceable=ours)
    for name in ("b.png", "mine.png"):
        with pytest.raises(UsageError, match="left as it is"):
            refuse_output(tmp_path / name, replaceable=ours)


def test_a_folder_of_ours_may_be_replaced_unless_it_holds_more(tmp_path: Path) -> None:
    written(tmp_path, "crops/cat/1.jpg", "crops/dog/1.jpg")
    ours = replaceable(tmp_path)
    refuse_output(tmp_path / "crops", folder=True, replaceable=ours)
    (tmp_path / "crops" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        refuse_output(tmp_path / "crops", folder=True, replaceable=ours)
    remove(ours, tmp_path / "crops")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [FILE, "mine.txt"]


def test_what_a_stopped_run_wrote_is_listed(tmp_path: Path) -> None:
    def stopped() -> None:
        with listing(tmp_path) as files:
            (tmp_path / "a.png").write_text("ours")
            files.append(tmp_path / "a.png")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert replaceable(tmp_path) == {tmp_path / "a.png"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "tapetum.written/1", "files": 3}', "not JSON"]
)
def test_a_list_that_is_none_of_ours_lists_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert replaceable(tmp_path) == frozenset()


def test_a_list_leads_nowhere_else(tmp_path: Path) -> None:
    """Neither by its names nor through links in the folder."""
    written(tmp_path / "elsewhere", "a.png")
    digest = json.loads((tmp_path / "elsewhere" / FILE).read_text())["files"]["a.png"]
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "linked.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    names = ("../elsewhere/a.png", "link/a.png", "linked.png", str(tmp_path / "elsewhere/a.png"))
    listed = {"schema": "tapetum.written/1", "files": dict.fromkeys(names, digest)}
    (out / FILE).write_text(json.dumps(listed))
    assert replaceable(out) == frozenset()
