"""How fast each model learns and answers at the sizes that `tapetum train` takes by itself.

    python benchmarks/pace.py [MODEL ...]

Prints the rows of tapetum/models/pace.py. Training: milliseconds a picture, in the precision and
the batch of the defaults, on built-in scenes, reading and varying included. Answering: milliseconds
for one picture in fp32. The machine should have nothing else to do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tapetum.api.jobs import make_job
from tapetum.api.training import plan
from tapetum.api.wishes import Wishes
from tapetum.base.runtime import choose_runtime, tune_allocator
from tapetum.models import MODELS
from tapetum.models.predict import predict
from tapetum.structures import Learns
from tapetum.training.pace import seconds_per_step

PICTURES = 12


def measure(model: str, folder: Path) -> tuple[int, float | None, float]:
    """Pixels, milliseconds to learn a picture, milliseconds to answer one."""
    runtime = choose_runtime("auto", "auto", training=True)
    record, pictures = plan(Wishes(model, "scenes", weights="none"), runtime)
    job = make_job(record, pictures, folder, runtime)
    learns = None
    if isinstance(job.model, Learns):
        learns = 1000 * seconds_per_step(job) / record.settings.batch_size
    else:
        job.model.fit((pictures.training[i] for i in range(200)), None)
    images = [pictures.training[index].image for index in range(PICTURES)]
    job.model.eval()
    seconds = []
    for image in images:
        start = time.perf_counter()
        predict(job.model, [image])
        seconds.append(time.perf_counter() - start)
    return record.image_size, learns, 1000 * statistics.median(seconds[2:])


if __name__ == "__main__":
    tune_allocator()
    for name in sys.argv[1:] or list(MODELS):
        with tempfile.TemporaryDirectory() as place:
            pixels, learns, answers = measure(name, Path(place) / "run")
        shown = "None" if learns is None else f"{learns:.3g}"
        print(f'    "{name}": Pace({pixels}, {shown}, {answers:.3g}),', flush=True)
