"""How fast each model trains and predicts at the sizes that `tapetum train` takes by itself.

    python benchmarks/pace.py [MODEL ...]

Prints the latencies, and without names writes tapetum/models/latency.json with the date and the
machine. Training: milliseconds for an image, in the precision and the batch of the
defaults, on built-in scenes, reading and augmentation included. Prediction: milliseconds for one
image in fp32. The machine should have nothing else to do.
"""

from __future__ import annotations

import datetime
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tapetum.base.memory import tune_allocator
from tapetum.base.runtime import choose_runtime
from tapetum.base.seeds import generator
from tapetum.models import CATALOG
from tapetum.models.latency import Latency
from tapetum.models.predict import predict
from tapetum.runs.record import environment
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import DESCEND
from tapetum.training.job import make_job
from tapetum.training.plan_run import plan_run
from tapetum.training.step_time import seconds_per_step

FILE = Path(__file__).parents[1] / "tapetum" / "models" / "latency.json"
IMAGES = 12


def measure(model: str, folder: Path) -> Latency:
    """The latency of a model on this machine."""
    runtime = choose_runtime("auto", "auto", training=True)
    record, images = plan_run(TrainOptions(model, "scenes", weights="none"), runtime)
    job = make_job(record, images, folder, runtime)
    train_ms = None
    if DESCEND in job.model.phases:
        train_ms = 1000 * seconds_per_step(job) / record.settings.batch_size
    else:
        job.model.fit((images.training[i] for i in range(200)), generator(0))
    job.model.eval()
    seconds = []
    for index in range(IMAGES):
        image = images.training[index].image
        start = time.perf_counter()
        predict(job.model, [image])
        seconds.append(time.perf_counter() - start)
    predict_ms = 1000 * statistics.median(seconds[2:])
    rounded = (None if ms is None else float(f"{ms:.3g}") for ms in (train_ms, predict_ms))
    return Latency(record.image_size, *rounded)


def write(measured: dict[str, Latency]) -> None:
    """Write latency.json."""
    content = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": environment()["processor"],
        "models": {name: asdict(latency) for name, latency in measured.items()},
    }
    FILE.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    tune_allocator()
    measured = {}
    for name in sys.argv[1:] or list(CATALOG):
        with tempfile.TemporaryDirectory() as place:
            measured[name] = measure(name, Path(place) / "run")
        print(name, measured[name], flush=True)
    if not sys.argv[1:]:
        write(measured)
