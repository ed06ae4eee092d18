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
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.data.reading.files import open_dataset
from tapetum.recipes.demo import DEFAULT_TASK, DEMOS, own_data, train_demo
from tapetum.render import image_grid, to_image

MIXED_SCENES = "scenes:mixed"
"""Objects and people: annotations for every task."""
IMAGE, PAGE = "side-by-side.png", "index.html"
SCENE = 14
"""The test scene that is shown: few objects, all of them large."""
SECONDS = 50.0
"""For each model; six of them, with their reports, then take about six minutes."""
THRESHOLD = 0.4


def run_all(
    out: str | Path,
    seconds: float = SECONDS,
    log: Log = no_log,
    progress: Progress = no_progress,
) -> Path:
    """Train a tiny model for each task once (those that are there are kept), answer one scene.

    Command: tapetum demo --all. Returns the path of a page with the answers and the reports.

    Raises:
        UsageError: the page or its image would replace a file that is not of an earlier demo.
    """
    folder = Path(out)
    refuse_output(folder / PAGE)
    if not (folder / PAGE).exists():
        refuse_output(folder / IMAGE)
    for task in DEMOS:
        if (folder / task / "report.html").is_file():
            log(f"{task}: trained before, kept")
            continue
        train_demo(folder / task, task, seconds, log, data=MIXED_SCENES, progress=progress)
    image = side_by_side(folder)
    with atomic_write(folder / IMAGE) as file:
        image.save(file, "PNG")
    with atomic_write(folder / PAGE, "w") as page:
        page.write(make_page(image))
    log(own_data(DEMOS[DEFAULT_TASK].model, DEFAULT_TASK))
    return folder / PAGE


def side_by_side(folder: Path) -> Image.Image:
    """One scene, as it is and with the answer of each model."""
    scene = open_dataset(MIXED_SCENES, "test")[SCENE].image
    images, captions = [to_image(scene)], ["the scene"]
    for task in DEMOS:
        predictor = api.load(folder / task)
        images.append(predictor.predict(scene).draw(THRESHOLD))
        captions.append(f"{task}: {predictor.model_info.model}")
    return image_grid(images, captions)


def make_page(image: Image.Image) -> str:
    """A page with the image and a link to each report."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
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
