"""From structures to images, and from numbers to charts."""

from tapetum.render.canvas import to_image
from tapetum.render.cards import draw_class_scores, image_grid, side_by_side
from tapetum.render.charts import class_bars, histogram, line_chart
from tapetum.render.confusion import confusion_matrix, reliability_diagram
from tapetum.render.draw import draw_objects
from tapetum.render.keypoints import draw_keypoints
from tapetum.render.overlay import contact_sheet, overlay_heat, overlay_masks
from tapetum.render.semantic import draw_semantic, draw_semantic_errors

__all__ = [
    "class_bars",
    "confusion_matrix",
    "contact_sheet",
    "draw_class_scores",
    "draw_keypoints",
    "draw_objects",
    "draw_semantic",
    "draw_semantic_errors",
    "histogram",
    "image_grid",
    "line_chart",
    "overlay_heat",
    "overlay_masks",
    "reliability_diagram",
    "side_by_side",
    "to_image",
]
