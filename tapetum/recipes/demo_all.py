"""All tasks on one scene: a tiny model each, side by side on one page."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from pathlib import Path

from PIL import Image

from tapetum import api
from tapetum.base.files import atomic_write
from tapetum.base.outputs import MADE_BY, refuse_output
from tapetum.base.progress import Progress, Say, silent, unseen
from tapetum.data.files import open_dataset
from tapetum.recipes.demo import DEMOS, own_data, train_demo
from tapetum.render import picture_grid, to_image

MIXED_SCENES = "scenes:mixed"
"""Things and people, so that every task has something to find."""
PICTURE, PAGE = "side-by-side.png", "index.html"
SCENE = 14
"""The test scene that is shown: few things, all of them large."""
SECONDS = 50.0
"""For each model; six of them, with their reports, then take about six minutes."""
THRESHOLD = 0.4


def run_all(
    out: str | Path,
    seconds: float = SECONDS,
    say: Say = silent,
    progress: Progress = unseen,
) -> Path:
    """Train a tiny model for each task once (those that are there are kept), answer one scene.

    Command: tapetum demo --all. Returns the path of a page with the answers and the reports.

    Raises:
        UsageError: the page or its picture would replace a file that is not of an earlier demo.
    """
    folder = Path(out)
    refuse_output(folder / PAGE)
    if not (folder / PAGE).exists():
        refuse_output(folder / PICTURE)
    for task in DEMOS:
        if (folder / task / "report.html").is_file():
            say(f"{task}: trained before, kept")
            continue
        train_demo(folder / task, task, seconds, say, data=MIXED_SCENES, progress=progress)
    picture = side_by_side(folder)
    with atomic_write(folder / PICTURE) as file:
        picture.save(file, "PNG")
    with atomic_write(folder / PAGE, "w") as page:
        page.write(make_page(picture))
    say(own_data(DEMOS["detection"].model, "detection"))
    return folder / PAGE


def side_by_side(folder: Path) -> Image.Image:
    """One scene, as it is and with the answer of each model."""
    scene = open_dataset(MIXED_SCENES, "test")[SCENE].image
    images, captions = [to_image(scene)], ["the scene"]
    for task in DEMOS:
        loaded = api.load(folder / task)
        images.append(loaded.predict(scene).draw(THRESHOLD))
        captions.append(f"{task}: {loaded.card.model}")
    return picture_grid(images, captions)


def make_page(picture: Image.Image) -> str:
    """A page with the picture and a link to each report."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = b64encode(buffer.getvalue()).decode()
    links = "".join(
        f'<li><a href="{html.escape(task)}/report.html">{html.escape(task)}</a></li>'
        for task in DEMOS
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>One scene, every task</title>'
        f'<h1>One scene, every task</h1><img alt="answers side by side" style="max-width:100%" '
        f'src="data:image/png;base64,{data}"><ul>{links}</ul><footer>{MADE_BY}</footer></html>\n'
    )
