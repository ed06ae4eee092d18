"""Trained models on images: predict, measure, write the predictions."""

from tapetum.inference.custom_code import (
    check_model_file,
    custom_code_facts,
    function_of_run,
    named_again,
    named_by_user,
    refuse_code,
    refuse_code_of_run,
)
from tapetum.inference.evaluating import evaluate_predictor
from tapetum.inference.evaluation_data import evaluation_dataset, folders_read
from tapetum.inference.filtering import nms_options
from tapetum.inference.folder import predict_in_batches, suitable_workers
from tapetum.inference.image_files import drawn_names, list_images, output_names
from tapetum.inference.predictor import Predictor, load
from tapetum.inference.results import Result, above_thresholds
from tapetum.inference.saving import check_saves, clear_places, refuse_places, save_answers
from tapetum.inference.thresholds import Thresholds, chosen_thresholds, write_thresholds

__all__ = [
    "Predictor",
    "Result",
    "Thresholds",
    "above_thresholds",
    "check_model_file",
    "check_saves",
    "chosen_thresholds",
    "clear_places",
    "custom_code_facts",
    "drawn_names",
    "evaluate_predictor",
    "evaluation_dataset",
    "folders_read",
    "function_of_run",
    "list_images",
    "load",
    "named_again",
    "named_by_user",
    "nms_options",
    "output_names",
    "predict_in_batches",
    "refuse_code",
    "refuse_code_of_run",
    "refuse_places",
    "save_answers",
    "suitable_workers",
    "write_thresholds",
]
