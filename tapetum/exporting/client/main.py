"""The client itself. Whatever the model, `answer` and `describe` are those of its one part; those
of `labels` stand for them here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapetum.exporting.client.images import Array, preprocess, read_image
from tapetum.exporting.client.labels import answer, describe


class Client:
    """The model in a folder that `tapetum export` wrote."""

    def __init__(
        self, folder: str | Path, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        """providers: what ONNX Runtime computes on, best first."""
        import onnxruntime

        self.folder = Path(folder)
        self.about = json.loads((self.folder / "model.json").read_text("utf-8"))
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(self.folder / f"{name}.onnx"), providers=list(providers)
            )
            for name in self.about["graphs"]
        }

    def predict(self, source: Any) -> dict[str, Array]:
        """What the model finds in an image: a path, a Pillow image, or an array (H, W, 3) uint8
        RGB. Boxes are x1 y1 x2 y2 in pixels of the image as it is shown, upright."""
        prepared = preprocess(read_image(source), self.about["preprocess"])
        return answer(self.about["postprocess"], self.run, prepared)

    def describe(self, found: dict[str, Array], threshold: float | None = None) -> dict[str, Any]:
        """The same as JSON values. Objects that score below the threshold are left out; None: below
        that of their class in model.json, as `tapetum predict` does."""
        return describe(found, self.about, threshold)

    def run(self, graph: str, values: Array) -> list[Array]:
        """The outputs of a graph."""
        session = self.sessions[graph]
        outputs: list[Array] = session.run(None, {session.get_inputs()[0].name: values})
        return outputs


def main() -> int:
    parser = argparse.ArgumentParser(description="Answers to images as lines of JSON.")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument(
        "--threshold", type=float, help="lowest score of an object (default: by class)"
    )
    options = parser.parse_args()
    client, failed = Client(Path(__file__).parent), 0
    for name in options.images:
        try:
            image = read_image(name)
        except (OSError, ValueError) as error:
            failed = 1
            print(f"{name}: cannot be read: {error}", file=sys.stderr)
            continue
        row = {"file": name, "size": list(image.shape[:2])}
        print(json.dumps(row | client.describe(client.predict(image), options.threshold)))
    return failed


if __name__ == "__main__":
    sys.exit(main())
