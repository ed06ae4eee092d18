"""What fine-tuning by stages asks of a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Staged(ABC):
    """A backbone whose stages can be frozen, or can learn more slowly: see training.stages."""

    @abstractmethod
    def stages(self) -> list[tuple[str, ...]]:
        """How the names of each stage's weights begin, from the image on."""
