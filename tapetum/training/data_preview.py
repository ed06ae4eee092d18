"""RUN/data.jpg: what a training is about to see, with what it will take for true."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tapetum.data.reading.loading import Plan, training_batches
from tapetum.render import contact_sheet
from tapetum.render.image_file import save_image
from tapetum.render.targets import draw_targets
from tapetum.training.loop import Job

FILE = "data.jpg"
SHOWN, COLUMNS = 12, 4


def draw_data(job: Job) -> Path:
    """The first images of the first steps, varied as they will be, with their labels."""
    dataset = job.dataset
    shown = min(SHOWN, len(dataset))
    # One image a step in place of a batch: whether there are enough for one is for the training.
    plan = Plan(len(dataset), 1, job.settings.seed)
    batches = training_batches(dataset, plan, job.augment, 0, plan.steps_per_epoch)
    drawn = [
        draw_targets(
            sample,
            dataset.classes,
            skeleton=dataset.skeleton,
            keypoint_names=dataset.keypoint_names,
        )
        for batch in islice(batches, shown)
        for sample in batch
    ]
    images, captions = zip(*drawn, strict=True)
    sheet = contact_sheet(images, min(COLUMNS, shown), captions, cell=400)
    save_image(sheet, job.folder, FILE)
    return job.folder / FILE
