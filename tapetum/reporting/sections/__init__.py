"""The sections of a report, and the run that they are about."""

from tapetum.reporting.sections.examples import ImageOutcome, best_and_worst, image_outcomes
from tapetum.reporting.sections.progress import load_progress, save_progress
from tapetum.reporting.sections.run import Run, frame
from tapetum.reporting.sections.suggestions import next_steps

__all__ = [
    "ImageOutcome",
    "Run",
    "best_and_worst",
    "frame",
    "image_outcomes",
    "load_progress",
    "next_steps",
    "save_progress",
]
