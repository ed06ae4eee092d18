"""A run.json for a checkpoint that a test writes by hand."""

from dataclasses import asdict
from pathlib import Path

from tapetum.base.files import write_json
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.record import FILE, RunRecord
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions


def write_record(run: Path, model_info: ModelInfo) -> None:
    record = RunRecord(
        model=model_info.model,
        options=TrainOptions(model=model_info.model, data="scenes"),
        arguments=model_info.arguments,
        classes=model_info.classes,
        class_ids=model_info.class_ids,
        image_size=64,
        settings=Settings(),
        device="cpu",
        precision="fp32",
        environment=model_info.facts.get("environment", {}),
        keypoint_names=model_info.keypoint_names,
        skeleton=model_info.skeleton,
    )
    write_json(run / FILE, asdict(record))
