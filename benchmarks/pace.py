"""How fast each model learns and answers at the sizes that `tapetum train` takes by itself.

    python benchmarks/pace.py [MODEL ...]

Prints the rows of tapetum/models/latency.py. Training: milliseconds an image, in the precision and
the batch of the defaults, on built-in scenes, reading and varying included. Answering: milliseconds
for one image in fp32. The machine should have nothing else to do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tapetum.base.runtime import choose_runtime, tune_allocator
from tapetum.models import MODELS
from tapetum.models.predict import predict
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import Trainable
from tapetum.training.job import make_job
from tapetum.training.plan_run import plan_run
from tapetum.training.step_time import seconds_per_step

IMAGES = 12


def measure(model: str, folder: Path) -> tuple[int, float | None, float]:
    """Pixels, milliseconds to learn an image, milliseconds to answer one."""
    runtime = choose_runtime("auto", "auto", training=True)
    record, inputs = plan_run(TrainOptions(model, "scenes", weights="none"), runtime)
    job = make_job(record, inputs, folder, runtime)
    learns = None
    if isinstance(job.model, Trainable):
        learns = 1000 * seconds_per_step(job) / record.settings.batch_size
    else:
        job.model.fit((inputs.training[i] for i in range(200)), None)
    images = [inputs.training[index].image for index in range(IMAGES)]
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
