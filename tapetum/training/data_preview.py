"""RUN/data.jpg: augmented training images with their labels."""

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
    """Draw the first images of the training, augmented as in its first steps, with their labels.

    Args:
        job: the training.

    Returns:
        The file that was written.
    """
    dataset = job.dataset
    shown = min(SHOWN, len(dataset))
    # One image a step in place of a batch: the training checks that there are enough for a batch.
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
