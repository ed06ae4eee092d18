from __future__ import annotations

from tapetum.structures.renames import Renames

RENAMES = Renames(
    (
        ("stem.*", "conv1.*"),
        ("stage#.#.conv#.*", "layer#.#.c#.*"),
        ("scale", "logit_scale"),
    )
)


def test_numbers_and_the_rest_are_carried_over_both_ways() -> None:
    assert RENAMES.ours("layer3.10.c2.weight") == "stage3.10.conv2.weight"
    assert RENAMES.theirs("stage3.10.conv2.weight") == "layer3.10.c2.weight"
    assert RENAMES.ours("logit_scale") == "scale"


def test_what_fits_no_template_has_no_counterpart() -> None:
    assert RENAMES.ours("fc.weight") is None
    assert RENAMES.theirs("layer1.0.c1.weight") is None
    assert RENAMES.ours("layerX.0.c1.weight") is None
    assert RENAMES.ours("xconv1.weight") is None
    assert RENAMES.ours("conv1.") is None
    assert RENAMES.theirs("scale.weight") is None


def test_dots_mean_dots() -> None:
    assert RENAMES.theirs("stemxweight") is None


def test_the_first_that_fits_wins() -> None:
    renames = Renames((("a.*", "x.special.*"), ("b.*", "x.*")))
    assert renames.ours("x.special.w") == "a.w"
    assert renames.ours("x.other") == "b.other"


def test_inside_a_larger_model() -> None:
    inside = Renames(RENAMES.inside("backbone.", "backbone.body."))
    assert inside.ours("backbone.body.conv1.weight") == "backbone.stem.weight"
    assert inside.theirs("backbone.stage1.0.conv2.b") == "backbone.body.layer1.0.c2.b"
