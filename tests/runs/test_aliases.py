"""Old names in the records of stored runs."""

from __future__ import annotations

from tapetum.runs.aliases import current_record


def test_formats_of_datasets_have_their_new_names() -> None:
    old = {"data_format": "maps", "options": {"format": "instances"}, "model": "unet"}
    new = current_record(old)
    assert new["data_format"] == "label_maps"
    assert new["options"]["format"] == "instance_maps"
    assert current_record(new) == new
