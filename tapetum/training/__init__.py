"""Train a model: plan a run, build its model, follow the loss, observe, resume."""

from tapetum.training.callbacks import Calls
from tapetum.training.data_preview import draw_data
from tapetum.training.job import build_model, make_job, start_from
from tapetum.training.leftovers import run_folder
from tapetum.training.loop import Job, fit
from tapetum.training.observers import Observer, StepView
from tapetum.training.observing import run_job, watching
from tapetum.training.plan_run import data_of_run, plan_run
from tapetum.training.planning import describe, in_minutes
from tapetum.training.signals import Stopped
from tapetum.training.step_time import seconds_per_step

__all__ = [
    "Calls",
    "Job",
    "Observer",
    "StepView",
    "Stopped",
    "build_model",
    "data_of_run",
    "describe",
    "draw_data",
    "fit",
    "in_minutes",
    "make_job",
    "plan_run",
    "run_folder",
    "run_job",
    "seconds_per_step",
    "start_from",
    "watching",
]
