"""The faces of the packages: every name is there, another is an error that names the package."""

import importlib

import pytest

PACKAGES = (
    *("tapetum", "tapetum.base", "tapetum.data", "tapetum.data.formats", "tapetum.layers"),
    *("tapetum.data.images.codecs", "tapetum.ops", "tapetum.runs", "tapetum.structures"),
    "tapetum.weights",
)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_of_a_face_is_there_and_no_other(name: str) -> None:
    package = importlib.import_module(name)
    for listed in package.__all__:
        assert getattr(package, listed) is not None
    assert set(package._PLACES) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = package.nothing
