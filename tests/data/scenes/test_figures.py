"""People: keypoints lie on the joints they name, and say honestly whether they can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tapetum.data.scenes import FIGURE, KEYPOINTS, SKELETON, SceneOptions, Scenes
from tapetum.data.scenes.figures import draw_figure, figure
from tapetum.data.scenes.poses import POSES, Build, Limb, Pose, draw_build, joints
from tapetum.data.scenes.shapes import Patch
from tapetum.data.scenes.sprites import draw_patches
from tapetum.data.scenes.warps import Warp, draw_warp

AT = {name: i for i, name in enumerate(KEYPOINTS)}
UPRIGHT = Pose((Limb(0), Limb(0)), (Limb(0), Limb(0)))


def someone(seed, pose=None):
    random = np.random.default_rng(seed)
    return figure(random, random, pose)


def test_names_come_in_pairs_and_the_skeleton_is_cocos():
    for name in KEYPOINTS:
        if name.startswith("left_"):
            assert AT[name.replace("left_", "right_")] == AT[name] + 1
    assert len(SKELETON) == len(set(SKELETON)) == 19
    named = {frozenset((KEYPOINTS[a], KEYPOINTS[b])) for a, b in SKELETON}
    assert {"left_knee", "left_ankle"} in named
    assert {"left_hip", "left_knee"} in named
    assert {"left_ear", "left_shoulder"} in named
    crossing = [pair for pair in named if len({name.split("_")[0] for name in pair}) == 2]
    assert {"left_shoulder", "right_shoulder"} in crossing
    assert len(crossing) == 5  # shoulders, hips, eyes, and the nose with each eye


def test_a_pose_by_hand():
    """Arms hang, the left one raised to the side with the forearm up: a right angle."""
    build = Build()
    raised = Pose((Limb(90, 90), Limb(0)), UPRIGHT.legs)
    found = joints(raised, build)
    upper, lower = build.arm
    shoulder = np.array([build.shoulder, -build.trunk])
    np.testing.assert_allclose(found[AT["left_shoulder"]], shoulder)
    np.testing.assert_allclose(found[AT["left_elbow"]], shoulder + np.array([upper, 0]), atol=1e-12)
    np.testing.assert_allclose(
        found[AT["left_wrist"]], shoulder + np.array([upper, -lower]), atol=1e-12
    )
    np.testing.assert_allclose(
        found[AT["right_wrist"]], (-build.shoulder, -build.trunk + upper + lower), atol=1e-12
    )


def test_mirrored_limbs_give_a_mirrored_person():
    random = np.random.default_rng(5)
    for name in POSES:
        pose, build = POSES[name](random), draw_build(random)
        mirror = Pose(pose.arms[::-1], pose.legs[::-1], -pose.lean, -pose.nod)
        here, there = joints(pose, build), joints(mirror, build)
        order = [0, *[i + 1 if i % 2 else i - 1 for i in range(1, 17)]]
        np.testing.assert_allclose(here * (-1, 1), there[order], atol=1e-12)


def test_no_joint_turns_further_than_a_persons():
    broken = Pose((Limb(400, 400), Limb(400, 400)), (Limb(200, 200), Limb(200, 200)))
    found = joints(broken, Build())
    for side in ("left", "right"):
        hip, knee, ankle = (found[AT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
        assert knee[1] > hip[1]  # below the hip whatever is asked
        thigh, shin = knee - hip, ankle - knee
        cosine = thigh @ shin / np.linalg.norm(thigh) / np.linalg.norm(shin)
        assert np.degrees(np.arccos(cosine)) <= 15 + 1e-6


def test_the_person_faces_us_so_that_left_is_at_the_right():
    for seed in range(30):
        points = someone(seed, "standing").joints
        for part in ("eye", "ear", "shoulder", "hip"):
            assert points[AT[f"left_{part}"], 0] > points[AT[f"right_{part}"], 0]
        assert points[AT["nose"], 1] < points[AT["left_shoulder"], 1]
        assert points[AT["left_hip"], 1] < points[AT["left_knee"], 1]


@pytest.mark.parametrize("pose", POSES)
def test_a_joint_is_seen_exactly_where_its_own_part_is_on_top(pose):
    """Each part of the body is painted in a color of its own; the joint's pixel has to show it."""
    ink = {1: (10, 0, 0), 2: (20, 0, 0), 3: (30, 0, 0), 4: (40, 0, 0), 5: (50, 0, 0), 6: (60, 0, 0)}
    own = [{1}] * 5 + [{2, 3}, {2, 4}, {3}, {4}, {3}, {4}, {2, 5}, {2, 6}, {5}, {6}, {5}, {6}]
    counts = np.zeros(2)
    for seed in range(10):
        person = someone(seed, pose)
        _, points = draw_figure(person, 500, Warp())
        dyed = [
            Patch(p.points, ink[part]) for p, part in zip(person.patches, person.parts, strict=True)
        ]
        red = draw_patches(dyed, 500, Warp()).color[0]
        for (x, y, seen), parts in zip(points, own, strict=True):
            shown = red[int(y), int(x)] / 10
            if shown == int(shown):  # not at the border of two parts
                assert bool(seen) == (int(shown) in parts)
                counts[int(seen)] += 1
    assert counts[1] > 10 * counts[0]
    assert counts[0] > 0 or pose in ("jumping", "waving")


def test_keypoints_move_with_the_body_under_every_warp():
    for seed in range(10):
        warp = draw_warp(np.random.default_rng(seed), 0.4, 1.0, 1.0)
        person = someone(seed)
        sprite, points = draw_figure(person, 120, warp)
        expected = warp(person.joints) * 60 + sprite.origin
        np.testing.assert_allclose(points[:, :2], expected)
        column, row = points[:, :2].astype(int).T
        assert sprite.alpha[row, column].min() > 0.25


def test_visible_hidden_and_absent_follow_from_who_owns_the_pixel():
    """The mixed scene has the same people; there the masks say what lies over a joint."""
    options = SceneOptions(count=(4, 9), figures=(2, 3), overlap=0.7, cut=0.4)
    posed, masked = (
        Scenes(options=options, task=task)
        for task in ("keypoint_detection", "instance_segmentation")
    )
    counts = np.zeros(3)
    for index in range(20):
        objects, every = posed[index].target.objects, masked[index].target.objects
        people = every.masks[every.labels == masked.classes.index(FIGURE)]
        instances = every.masks.any(0)
        assert len(people) == len(objects)
        for own, points in zip(people, objects.keypoints, strict=True):
            for x, y, v in points.tolist():
                counts[int(v)] += 1
                if v == 0:
                    assert (x, y) == (0, 0)
                    continue
                row, column = int(y), int(x)
                if instances[row, column] and not own[row, column]:
                    assert v == 1
                if v == 2:
                    assert own[row, column] or not instances[row, column]
    assert (counts > 30).all()


def test_what_a_board_covers_is_hidden():
    options = SceneOptions(count=(0, 0), figures=(1, 1), occlusion=1.0)
    open_air = SceneOptions(count=(0, 0), figures=(1, 1))
    scenes, plain = (
        Scenes(options=each, task="keypoint_detection") for each in (options, open_air)
    )
    counts = [0, 0]
    for index in range(8):
        covered = scenes._layout(index).hidden
        here, there = (s[index].target.objects.keypoints for s in (scenes, plain))
        assert torch.equal(here[..., :2], there[..., :2])
        for (x, y, v), before in zip(here[0].tolist(), there[0, :, 2].tolist(), strict=True):
            under = bool(v > 0 and covered[int(y), int(x)])
            assert v == (1 if under else before)
            counts[under] += 1
    assert min(counts) > 25


def test_boxes_hold_their_visible_keypoints_and_all_poses_occur():
    scenes = Scenes("val", task="keypoint_detection")
    assert scenes.classes == (FIGURE,)
    assert scenes.keypoint_names == KEYPOINTS
    assert scenes.skeleton == SKELETON
    heights, people = [], 0
    for index in range(40):
        objects = scenes[index].target.objects
        people += len(objects)
        assert (objects.labels == 0).all()
        for box, points in zip(objects.boxes, objects.keypoints, strict=True):
            seen = points[points[:, 2] == 2]
            assert (seen[:, :2] >= box[:2] - 0.5).all()
            assert (seen[:, :2] <= box[2:] + 0.5).all()
            heights.append(float(box[3] - box[1]))
    assert 40 <= people <= 120
    assert min(heights) < 60
    assert max(heights) > 130


def test_people_appear_in_other_tasks_only_when_asked_for():
    assert FIGURE not in Scenes().classes
    mixed = Scenes(options=SceneOptions(figures=(2, 2)))
    assert mixed.classes[-1] == FIGURE
    labels = torch.cat([mixed[i].target.objects.labels for i in range(5)])
    assert 5 <= (labels == 8).sum() <= 10
