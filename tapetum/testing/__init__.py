"""Does a model of one's own keep the contract? The same questions that ours are asked.

    from tapetum.testing import check_model
    print(check_model("my_model.py:build"))

or `python -m tapetum.testing my_model.py:build width=16`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tapetum.testing.answering import ANSWERING, IDENTITY
from tapetum.testing.explaining import EXPLAINING
from tapetum.testing.finding import FINDING
from tapetum.testing.learning import LEARNING
from tapetum.testing.report import Answer, ContractError, Question, Report, ask_all
from tapetum.testing.subject import Subject, name_of

__all__ = ["QUESTIONS", "Answer", "ContractError", "Question", "Report", "Subject", "check_model"]

QUESTIONS = (*IDENTITY, *ANSWERING, *LEARNING, *EXPLAINING, *FINDING)
"""All of them, in the order in which they are put."""


def check_model(
    make: Callable[..., nn.Module] | str,
    *,
    classes: int = 3,
    arguments: Mapping[str, Any] | None = None,
    images: Sequence[Tensor] | None = None,
    seconds: float = 120.0,
    raises: bool = True,
) -> Report:
    """Ask a model what every model here is asked; `print` of the report is a list to read.

    make: a function or class that gives an nn.Module, "FILE.py:FUNCTION", or a name in CATALOG. It
        is called many times, with `arguments`, and with `classes` and `keypoints` (3) where it has
        arguments of these names. Small arguments make a quick check: 128 pixels are enough.
    classes: how many it knows; models for keypoints have 1.
    images: (3, H, W) to ask with, in place of noise; three at most are used.
    seconds: no question is begun later; a contract with questions left is not kept.
    raises: otherwise the report is returned whatever is in it.

    Raises:
        ContractError: a TapetumError that names every question that failed; `report` is in it.
        UsageError: there is no such model.
    """
    subject = Subject.of(make, arguments, classes, images)
    report = ask_all(name_of(make), QUESTIONS, subject, seconds)
    if raises and not report.ok:
        raise report.error()
    return report
