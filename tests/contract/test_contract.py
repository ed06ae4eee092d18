"""The same questions to every model: those of `tapetum.testing`, for one's own models, too."""

from __future__ import annotations

import functools

import pytest

from tapetum.models import CATALOG, task_of
from tapetum.models.catalog import arguments_of
from tapetum.testing import QUESTIONS, Question, Subject
from tapetum.testing.finding import FINDING
from tapetum.testing.report import OK, SKIPPED
from tapetum.testing.subject import ANYWHERE

PAIRS = [
    pytest.param(name, question, id=f"{name}-{question.name}")
    for name in sorted(CATALOG)
    for question in QUESTIONS
    if question not in FINDING or task_of(name) in ANYWHERE
]


@functools.cache
def subject(name: str) -> Subject:
    """A tiny model, asked with each norm that it may have."""
    norms = [{"norm": norm} for norm in ("batch", "group")]
    variants = norms if "norm" in arguments_of(name) else [{}]
    return Subject.of(name, CATALOG[name].tiny, variants=variants)


@pytest.mark.parametrize(("name", "question"), PAIRS)
def test_it_keeps_the_contract(name: str, question: Question) -> None:
    answer = question.put(subject(name))
    if answer.verdict == SKIPPED:
        pytest.skip(answer.why)
    assert answer.verdict == OK, str(answer)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_it_is_tiny_and_can_be_explained(name: str) -> None:
    model = subject(name).build()
    assert model.differentiable
    assert sum(p.numel() for p in model.parameters()) < 500_000
