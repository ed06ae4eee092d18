"""Single classes of a DetectionResult: a table row, a precision-recall curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.detection import DetectionResult, mean_defined


@dataclass(frozen=True)
class ClassRow:
    """One class: AP over all IoU thresholds, at 0.50, at 0.75, AR; -1 where it has no objects.

    All areas, at the largest cap on detections. `ground_truths` counts without crowd regions.
    """

    category_id: int | str
    name: str
    ap: float
    ap50: float
    ap75: float
    ar: float
    ground_truths: int


def per_class(result: DetectionResult) -> list[ClassRow]:
    """Make a table of AP and AR by class.

    Args:
        result: of `evaluate_detections`.

    Returns:
        One row per class, in the order of the category ids.
    """
    precision = result.precision[:, :, :, 0, -1]  # (T, R, K)
    at_50, at_75 = (precision[result.iou_thresholds == iou] for iou in (0.5, 0.75))
    return [
        ClassRow(
            category_id=result.category_ids[k],
            name=result.category_names[k],
            ap=mean_defined(precision[:, :, k]),
            ap50=mean_defined(at_50[:, :, k]),
            ap75=mean_defined(at_75[:, :, k]),
            ar=mean_defined(result.recall[:, k, 0, -1]),
            ground_truths=int(result.ground_truths[k, 0]),
        )
        for k in range(len(result.category_ids))
    ]


def precision_recall_curve(
    result: DetectionResult, class_index: int, iou: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read off the precision-recall curve of one class; all areas, largest cap on detections.

    Args:
        result: of `evaluate_detections`.
        class_index: place of the class in `result.category_ids`.
        iou: the IoU threshold, one of `result.iou_thresholds`.

    Returns:
        Recall, precision and score, each (R,). Precision is the largest at this recall or above;
        the score is the threshold that reaches the recall. Both are 0 where no threshold does, -1
        where the class has no objects.

    Raises:
        ValueError: `iou` is no threshold of the evaluation, or there is no such class.
    """
    near = np.flatnonzero(np.isclose(result.iou_thresholds, iou, rtol=0, atol=1e-9))
    if len(near) == 0:
        offered = ", ".join(f"{value:g}" for value in result.iou_thresholds)
        raise ValueError(f"iou: expected one of {offered}, got {iou}")
    if not 0 <= class_index < len(result.category_ids):
        raise ValueError(
            f"class_index: expected 0 to {len(result.category_ids) - 1}, got {class_index}"
        )
    place = (near[0], slice(None), class_index, 0, -1)
    return result.recall_thresholds, result.precision[place], result.scores[place]
