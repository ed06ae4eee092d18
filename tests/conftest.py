"""What every test may ask for, and how much it may cost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import torch

from tapetum.base.cache_folder import cache_folder

BUDGETS = {
    "contract": 4.0,
    "explanations": 0.2,
    "exporting": 5.0,
    "extending": 4.0,
    "golden": 2.0,
    "learning": 4.0,
    "variants": 1.0,
}
"""CPU seconds that a test should take, by its folder in tests/. One that takes over OVERDRAFT times
as much fails, so that `make test` stays within a quarter of an hour on two cores."""
OTHERWISE = 10.0
"""The same in all other folders. Tests marked slow have no budget; `make test-all` runs them."""
OVERDRAFT = 2

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache() -> Iterator[None]:
    """Tests leave the cache of whoever runs them alone, but for the fonts that matplotlib finds."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        fonts = os.environ.get("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
        patch.setenv("MPLCONFIGDIR", fonts)
        patch.setenv("TAPETUM_CACHE", folder)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test over its budget. The seconds are kept as a property, which --junitxml writes."""
    before = _cpu_seconds()
    result = yield
    spent = _cpu_seconds() - before
    item.user_properties.append(("cpu_seconds", round(spent, 2)))
    budget = _budget(item)
    if budget is not None and spent > OVERDRAFT * budget:
        why = f"took {spent:.1f} CPU seconds, over {OVERDRAFT} times its budget of {budget:g}"
        pytest.fail(f"{why}: make it smaller, or mark it slow", pytrace=False)
    return result


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended, however busy the machine is."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _budget(item: pytest.Item) -> float | None:
    if item.get_closest_marker("slow") is not None:
        return None
    place = item.path.relative_to(Path(__file__).parent)
    return BUDGETS.get(place.parts[0], OTHERWISE)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real datasets are not beside this checkout (../shared/data)")
    return folder
