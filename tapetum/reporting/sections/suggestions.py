"""The section "Next steps": findings of `tapetum.diagnosis` with the commands that act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tapetum.diagnosis import Finding, Remedy, training_findings
from tapetum.reporting.contents import Suggestion
from tapetum.reporting.sections.commands import command_of
from tapetum.reporting.sections.run import Run

MAX_SUGGESTIONS = 5


def next_steps(run: Run, metric: str, advice: Sequence[Finding]) -> list[Suggestion]:
    """What the log says, what the task says, and how to use the run.

    A command is given once: a later suggestion of the same command is shown without it.

    Args:
        run: the run.
        metric: name of the number that chose the checkpoint.
        advice: findings of the task with their remedies, the most important first.

    Returns:
        At most `MAX_SUGGESTIONS`.
    """
    findings = [*training_findings(run.history, metric, run.setup()), *advice]
    steps: list[Suggestion] = []
    for step in (suggestion(run, finding) for finding in findings):
        known = any(step.command == other.command for other in steps)
        steps.append(replace(step, command="") if known else step)
    given = {step.command for step in steps}
    usual = [suggestion(run, finding) for finding in _usual(run)]
    return [*steps, *(step for step in usual if step.command not in given)][:MAX_SUGGESTIONS]


def suggestion(run: Run, finding: Finding) -> Suggestion:
    """A finding and its remedy as text, with the command where there is one."""
    if finding.remedy is None:
        return Suggestion(finding.text)
    text = f"{finding.text} {finding.remedy.text}".strip()
    return Suggestion(text, command_of(run, finding.remedy))


def _usual(run: Run) -> list[Finding]:
    """What can always be done."""
    texts = {
        "predict": "Predict on new images.",
        "evaluate": "Evaluate on labeled images from elsewhere: another camera, another day.",
    }
    if run.explain is not None:
        texts["explain"] = "Explain a prediction."
    options = {"predict": {"out": "answers"}}
    return [
        Finding("", remedy=Remedy(text, verb, options.get(verb, {})))
        for verb, text in texts.items()
    ]
