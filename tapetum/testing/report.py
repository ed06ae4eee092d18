"""Questions, what became of each, and the list of them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tapetum.base.errors import TapetumError, printable
from tapetum.testing.subject import Subject

OK, FAILED, SKIPPED, UNASKED = "ok", "FAILED", "does not apply", "not asked"


class ContractError(TapetumError):
    """A model that does not keep the contract; `report` says all about it."""

    report: Report


class Fault(AssertionError):
    """What a question found to be wrong. hint: how to mend it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.why, self.hint = why, hint


class DoesNotApply(Exception):
    """A question that means nothing to this model; the argument says why."""


def expect(condition: object, why: str, hint: str = "") -> None:
    """Raise Fault unless `condition`."""
    if not condition:
        raise Fault(why, hint)


@dataclass(frozen=True)
class Question:
    """words: what is promised. ask: raises Fault where a subject does not keep it. of: the subjects
    that are meant; anything else raises DoesNotApply."""

    words: str
    ask: Callable[[Subject], None]
    of: Callable[[Subject], None] = lambda subject: None

    def put(self, subject: Subject) -> Answer:
        """Ask, and say what came of it, whatever the model does."""
        started = time.perf_counter()
        verdict, why, hint = OK, "", ""
        try:
            self.of(subject)
            self.ask(subject)
        except DoesNotApply as error:
            verdict, why = SKIPPED, str(error)
        except Fault as error:
            verdict, why, hint = FAILED, error.why, error.hint
        except Exception as error:  # noqa: BLE001, a model may raise what it likes
            verdict, why, hint = FAILED, *_unexpected(error)
        return Answer(self.words, verdict, why, hint, time.perf_counter() - started)


@dataclass(frozen=True)
class Answer:
    """What became of a question. why: what went wrong, or why it was not asked."""

    question: str
    verdict: str
    why: str = ""
    hint: str = ""
    seconds: float = 0.0

    @property
    def kept(self) -> bool:
        return self.verdict in (OK, SKIPPED)

    def __str__(self) -> str:
        lines = [f"{self.verdict:>14}  {self.question}"]
        if self.why:
            lines.append(f"{'':16}{printable(self.why)}")
        if self.hint:
            lines.append(f"{'':16}mend: {self.hint}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All questions to a model, in their order. `str` of it is a list to read."""

    model: str
    answers: tuple[Answer, ...]

    @property
    def ok(self) -> bool:
        """Was everything asked, and is everything kept?"""
        return all(answer.kept for answer in self.answers)

    @property
    def failed(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.verdict == FAILED)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.answers), self.summary()])

    def summary(self) -> str:
        """One line."""
        count = {v: sum(a.verdict == v for a in self.answers) for v in (OK, FAILED, UNASKED)}
        seconds = sum(answer.seconds for answer in self.answers)
        words = f"{count[OK]} kept, {count[FAILED]} failed"
        if count[UNASKED]:
            words += f", {count[UNASKED]} not asked"
        return f"{self.model}: {words}, in {seconds:.1f} s"

    def error(self) -> ContractError:
        """What is wrong, in one line."""
        parts = [f"{answer.question}: {answer.why}" for answer in self.failed]
        unasked = sum(answer.verdict == UNASKED for answer in self.answers)
        if unasked:
            parts.append(f"{unasked} questions were not asked")
        failure = ContractError("; ".join(parts), file=self.model, hint="print(error.report)")
        failure.report = self
        return failure


def ask_all(model: str, questions: Sequence[Question], subject: Subject, seconds: float) -> Report:
    """Put the questions, the first of which decides whether there is anybody to put the others to;
    none is begun once `seconds` are over."""
    answers: list[Answer] = []
    started = time.perf_counter()
    for question in questions:
        if time.perf_counter() - started > seconds:
            why = f"the {seconds:g} seconds were over"
            answers.append(Answer(question.words, UNASKED, why, "seconds=, or a smaller model"))
        elif answers and answers[0].verdict == FAILED:
            answers.append(Answer(question.words, UNASKED, "the first question comes first"))
        else:
            answers.append(question.put(subject))
    return Report(model, tuple(answers))


def _unexpected(error: Exception) -> tuple[str, str]:
    """An exception that the model raised, and where, as words and a hint."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f"raised in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}", place
