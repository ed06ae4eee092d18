"""The image of the README, made by the program: python docs/make_pictures.py RUN

RUN is a run on the built-in scenes, such as the one that `tapetum demo` leaves. images/report.jpg:
two parts of the report of such a run, in a browser 1,200 pixels wide.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tapetum
from tapetum.data.scenes import Scenes
from tapetum.render import draw_objects
from tapetum.render.overlay import contact_sheet, overlay_heat
from tapetum.tasks.detection import confident

SCENES, THRESHOLD = (30, 69, 74), 0.45


def main(run: str) -> None:
    model, scenes = tapetum.load(run), Scenes("test")
    found, heats = [], []
    for index in SCENES:
        image = scenes[index].image
        prediction = model.predict(image)
        objects = confident(prediction, THRESHOLD)
        found.append(draw_objects(image, objects, scenes.classes))
        heat = model.explain(image, prediction, object=0, method="hires-cam", layer="c4")
        best = objects[[0]]
        heats.append(overlay_heat(image, heat, objects=best, classes=scenes.classes))
    sheet = contact_sheet([*found, *heats], columns=len(SCENES))
    sheet.convert("RGB").save(Path(__file__).parent / "images" / "demo.jpg", quality=88)


if __name__ == "__main__":
    main(sys.argv[1])
