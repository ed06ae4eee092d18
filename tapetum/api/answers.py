"""Answers about picture files: found objects as JSON and drawn, and explanations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import PIL.Image

from tapetum.api.common import Progress, unseen
from tapetum.api.loaded import Loaded
from tapetum.base.errors import ImageError, TapetumError, UsageError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.image import SUFFIXES, read_image
from tapetum.render.draw import draw_objects
from tapetum.render.overlay import overlay_heat
from tapetum.structures import Objects, Prediction

SCHEMA = "tapetum.predictions/1"


def predict_files(
    loaded: Loaded,
    images: Iterable[str | Path],
    *,
    threshold: float = 0.5,
    out: str | Path | None = None,
    progress: Progress = unseen,
) -> dict[str, Any]:
    """What a model finds in picture files, as JSON values (schema tapetum.predictions/1).

    images: files and folders (their pictures, by name). threshold: lowest score that counts.
    out: a folder for the pictures with the objects drawn in.

    Returns {"schema", "model", "classes", "threshold", "images": [{"file", "size": [height,
    width], "objects": [{"class", "label", "score", "box": [x1, y1, x2, y2]}]}], "failed":
    [{"file", "error"}]}. Boxes are pixels of the upright picture. A picture that cannot be read is
    in "failed"; the others are answered.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"--threshold must lie in [0, 1], got {threshold}")
    files = list(list_pictures(images))
    answers: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    names = _output_names(files)
    for index in progress(range(len(files)), len(files)):
        try:
            picture = read_image(files[index]).pixels
        except TapetumError as error:
            failed.append({"file": str(files[index]), "error": str(error)})
            continue
        found = confident(loaded.predict(picture), threshold)
        answers.append(answer(files[index], picture.shape[-2:], found, loaded.classes))
        if out is not None:
            save_picture(draw_objects(picture, found, loaded.classes), Path(out), names[index])
    return {
        "schema": SCHEMA,
        "model": loaded.card.model,
        "classes": list(loaded.classes),
        "threshold": threshold,
        "images": answers,
        "failed": failed,
    }


def explain_file(
    loaded: Loaded,
    image: str | Path,
    out: str | Path,
    *,
    object: int = 0,
    method: str = "grad-cam",
    layer: str | None = None,
) -> Path:
    """Draw why a model found object number `object` (0 has the highest score) in a picture file."""
    picture = read_image(image).pixels
    prediction = loaded.predict(picture)
    heat = loaded.explain(picture, prediction, object, method, layer)
    assert prediction.objects is not None
    thing = prediction.objects[[object]]
    drawn = overlay_heat(picture, heat, objects=thing, classes=loaded.classes)
    out = Path(out)
    save_picture(drawn, out.parent, out.name)
    return out


def confident(prediction: Prediction, threshold: float) -> Objects:
    """The objects of a prediction that score at least `threshold`, best first."""
    objects = prediction.objects
    assert objects is not None
    assert objects.scores is not None
    return objects[objects.scores >= threshold]


def answer(
    file: Path, size: Sequence[int], objects: Objects, classes: Sequence[str]
) -> dict[str, Any]:
    """One picture's entry in the JSON of `predict_files`."""
    assert objects.scores is not None
    rows = zip(
        objects.labels.tolist(), objects.scores.tolist(), objects.boxes.tolist(), strict=True
    )
    things = [
        {"class": classes[label], "label": label, "score": score, "box": box}
        for label, score, box in rows
    ]
    return {"file": str(file), "size": list(size), "objects": things}


def list_pictures(images: Iterable[str | Path]) -> Iterable[Path]:
    """The files named, and the pictures inside the folders named, sorted."""
    for image in map(Path, images):
        if not image.is_dir():
            yield image
            continue
        inside = sorted(p for p in image.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise ImageError("no pictures in this folder", file=image)
        yield from inside


def save_picture(image: PIL.Image.Image, folder: Path, name: str) -> None:
    """Write a drawn picture as JPEG or PNG, by its suffix."""
    path = safe_path(folder, name)
    kind = "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else "PNG"
    with atomic_write(path) as file:
        image.save(file, kind, quality=92)


def _output_names(files: Sequence[Path]) -> list[str]:
    """A different name for each drawn picture, also where two inputs have the same."""
    taken: set[str] = set()
    names = []
    for file in files:
        suffix = ".jpg" if file.suffix.lower() in (".jpg", ".jpeg") else ".png"
        name, number = file.stem + suffix, 1
        while name.casefold() in taken:
            number += 1
            name = f"{file.stem}-{number}{suffix}"
        taken.add(name.casefold())
        names.append(name)
    return names
