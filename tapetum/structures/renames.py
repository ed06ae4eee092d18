"""Names of weights in another code base: one table of templates, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Renames:
    """Pairs of templates (ours, theirs); the first that fits a name translates it.

    In a template `#` stands for one number and `*`, at the end, for the rest of the name; both
    sides hold the same ones in the same order. What no template fits has no counterpart.
    """

    pairs: tuple[tuple[str, str], ...]

    def ours(self, theirs: str) -> str | None:
        """Our name of their weight, None where we have none."""
        return _translate(theirs, ((b, a) for a, b in self.pairs))

    def theirs(self, ours: str) -> str | None:
        """Their name of our weight, None where they have none."""
        return _translate(ours, self.pairs)

    def inside(self, ours: str, theirs: str) -> tuple[tuple[str, str], ...]:
        """The pairs for a model that holds this one under the given prefixes."""
        return tuple((ours + a, theirs + b) for a, b in self.pairs)


def _translate(name: str, pairs: Iterable[tuple[str, str]]) -> str | None:
    for source, target in pairs:
        pattern = re.escape(source).replace(r"\#", r"(\d+)").replace(r"\*", r"(.+)")
        found = re.fullmatch(pattern, name)
        if found:
            parts = iter(found.groups())
            return re.sub(r"[#*]", lambda _: next(parts), target)  # noqa: B023
    return None
