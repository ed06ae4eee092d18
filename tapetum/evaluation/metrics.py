"""METRICS: what each number of an evaluation says, and those that are computed from its result.

A further metric is a file that ends with its own `METRICS`, and its line in the dict here: it then
stands among the numbers of a training, of `evaluate` and of the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tapetum.evaluation import classification, detection, localization, segmentation
from tapetum.evaluation.classification import ClassificationResult, MultilabelResult
from tapetum.evaluation.detection import DetectionResult
from tapetum.evaluation.localization import LocalizationResult
from tapetum.evaluation.segmentation import SegmentationResult

ResultT = TypeVar(
    "ResultT",
    ClassificationResult,
    MultilabelResult,
    DetectionResult,
    LocalizationResult,
    SegmentationResult,
)


@dataclass(frozen=True)
class Metric:
    """A number that judges predictions.

    Attributes:
        meaning: what it says, in a few words for a report.
        result: the type of result that it is computed from; None: it is among the `stats` that
            come with a result.
        compute: a result of that type -> the number, -1 where it is undefined.
    """

    meaning: str
    result: type | None = None
    compute: Callable[[Any], float] | None = None


def _with_result(meanings: Mapping[str, str]) -> dict[str, Metric]:
    """Metrics that come with a result."""
    return {name: Metric(meaning) for name, meaning in meanings.items()}


METRICS: dict[str, Metric] = {
    **_with_result(detection.MEANINGS),
    **_with_result(classification.MEANINGS),
    **_with_result(localization.MEANINGS),
    **_with_result(segmentation.MEANINGS),
}
"""Every metric by name; numbers that are not here are shown without an explanation."""


def with_metrics(result: ResultT) -> ResultT:
    """Add to the `stats` of a result what METRICS computes from results of its type.

    Args:
        result: of an evaluation.

    Returns:
        The same result with more numbers.
    """
    more = {
        name: metric.compute(result)
        for name, metric in METRICS.items()
        if metric.compute is not None and metric.result is type(result)
    }
    return replace(result, stats=result.stats | more)
