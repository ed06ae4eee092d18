"""Does a custom model keep the contract of `tapetum.Model`? The checks of the built-in models.

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
"""All checks, in their order."""


def check_model(
    make: Callable[..., nn.Module] | str,
    *,
    num_classes: int = 3,
    arguments: Mapping[str, Any] | None = None,
    images: Sequence[Tensor] | None = None,
    seconds: float = 120.0,
    raises: bool = True,
) -> Report:
    """Check that a model keeps the contract of `tapetum.Model`; `print` the report to read it.

    Args:
        make: a function or class that gives a `tapetum.Model`, "FILE.py:FUNCTION", or a name in
            CATALOG. It is called many times, with `arguments`, and with `num_classes` and
            `keypoints` (3) where it has these. Small arguments make a quick check: 128 pixels are
            enough.
        num_classes: the number of classes; models for keypoints have 1.
        arguments: keywords of `make`, JSON values.
        images: (3, H, W) uint8 or float in [0, 1], in place of noise; three at most are used.
        seconds: no check starts later; a report with checks left is not ok.
        raises: raise where a check fails; False: return the report in any case.

    Returns:
        The report, one answer a check.

    Raises:
        ContractError: a TapetumError that names all checks that failed; `report` is in it.
        UsageError: there is no such model.
    """
    subject = Subject.of(make, arguments, num_classes, images)
    report = ask_all(name_of(make), QUESTIONS, subject, seconds)
    if raises and not report.ok:
        raise report.error()
    return report
