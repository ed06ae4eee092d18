"""Checks, the result of each, and the report of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tapetum.base.errors import TapetumError, printable
from tapetum.testing.subject import Subject

OK, FAILED, SKIPPED, UNASKED = "ok", "FAILED", "does not apply", "not run"


class ContractError(TapetumError):
    """A model that does not keep the contract; `report` has all results."""

    report: Report


class Fault(AssertionError):
    """A check that failed. hint: how to mend it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.why, self.hint = why, hint


class DoesNotApply(Exception):
    """A check that does not apply to this model; the argument is the reason."""


def expect(condition: object, why: str, hint: str = "") -> None:
    """Raise Fault unless `condition`."""
    if not condition:
        raise Fault(why, hint)


@dataclass(frozen=True)
class Question:
    """A check of a model.

    Attributes:
        name: what is promised, in a few words.
        check: raises Fault where a subject does not keep it.
        applies: raises DoesNotApply for a subject that it is not meant for.
    """

    name: str
    check: Callable[[Subject], None]
    applies: Callable[[Subject], None] = lambda subject: None

    def put(self, subject: Subject) -> Answer:
        """Run the check, and return its result, whatever the model does."""
        started = time.perf_counter()
        verdict, why, hint = OK, "", ""
        try:
            self.applies(subject)
            self.check(subject)
        except DoesNotApply as error:
            verdict, why = SKIPPED, str(error)
        except Fault as error:
            verdict, why, hint = FAILED, error.why, error.hint
        except Exception as error:  # noqa: BLE001, a model may raise anything
            verdict, why, hint = FAILED, *_unexpected(error)
        return Answer(self.name, verdict, why, hint, time.perf_counter() - started)


@dataclass(frozen=True)
class Answer:
    """The result of a check.

    Attributes:
        question: the name of the check.
        verdict: OK, FAILED, SKIPPED or UNASKED.
        why: what is wrong, or why it was not run.
        hint: how to mend it.
        seconds: that it took.
    """

    question: str
    verdict: str
    why: str = ""
    hint: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict in (OK, SKIPPED)

    def __str__(self) -> str:
        lines = [f"{self.verdict:>14}  {self.question}"]
        if self.why:
            lines.append(f"{'':16}{printable(self.why)}")
        if self.hint:
            lines.append(f"{'':16}fix: {self.hint}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The results of all checks of a model, in their order; `str` of it is a list to read."""

    model: str
    answers: tuple[Answer, ...]

    @property
    def ok(self) -> bool:
        """Whether all checks were run and none failed."""
        return all(answer.passed for answer in self.answers)

    @property
    def failed(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.verdict == FAILED)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.answers), self.summary()])

    def summary(self) -> str:
        """One line."""
        count = {v: sum(a.verdict == v for a in self.answers) for v in (OK, FAILED, UNASKED)}
        seconds = sum(answer.seconds for answer in self.answers)
        line = f"{count[OK]} ok, {count[FAILED]} failed"
        if count[UNASKED]:
            line += f", {count[UNASKED]} not run"
        return f"{self.model}: {line}, in {seconds:.1f} s"

    def error(self) -> ContractError:
        """The failed checks, as an error of one line."""
        parts = [f"{answer.question}: {answer.why}" for answer in self.failed]
        unasked = sum(answer.verdict == UNASKED for answer in self.answers)
        if unasked:
            parts.append(f"{unasked} checks were not run")
        failure = ContractError("; ".join(parts), file=self.model, hint="print(error.report)")
        failure.report = self
        return failure


def ask_all(model: str, questions: Sequence[Question], subject: Subject, seconds: float) -> Report:
    """Run the checks; the others only if the first passes, and none starts after `seconds`."""
    answers: list[Answer] = []
    started = time.perf_counter()
    for question in questions:
        if time.perf_counter() - started > seconds:
            why = f"the {seconds:g} seconds were over"
            answers.append(Answer(question.name, UNASKED, why, "seconds=, or a smaller model"))
        elif answers and answers[0].verdict == FAILED:
            answers.append(Answer(question.name, UNASKED, "the first check failed"))
        else:
            answers.append(question.put(subject))
    return Report(model, tuple(answers))


def _unexpected(error: Exception) -> tuple[str, str]:
    """An exception that the model raised, and where, as a text and a hint."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f"raised in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}", place
