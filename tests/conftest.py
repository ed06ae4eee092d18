"""What every test may ask for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tapetum.base.places import cache_folder

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache() -> Iterator[None]:
    """Tests leave the cache of whoever runs them alone, but for the fonts that matplotlib finds."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        fonts = os.environ.get("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
        patch.setenv("MPLCONFIGDIR", fonts)
        patch.setenv("TAPETUM_CACHE", folder)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real datasets are not beside this checkout (../shared/data)")
    return folder
