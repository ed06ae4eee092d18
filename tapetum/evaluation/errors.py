"""What goes wrong with detections, and how much AP each kind of error costs.

    errors = error_kinds(ground_truth, detections)
    errors.costs["localization"]  # AP50 that would be gained if every box sat where it should

The kinds and what mends them are those of Bolya et al., TIDE: A General Toolbox for Identifying
Object Detection Errors, ECCV 2020, sections 3.1 to 3.3. Where two kinds fit, the order is that of
the authors' code: localization, classification, duplicate, background, both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tapetum.evaluation.accumulate import accumulate, count_ground_truths
from tapetum.evaluation.detection import mean_defined
from tapetum.evaluation.iou_types import rules_of, similarity_of
from tapetum.evaluation.matching import Matches, effective
from tapetum.evaluation.outcomes import Outcomes, matches_at
from tapetum.evaluation.pairing import candidate_pairs, rank_detections
from tapetum.evaluation.records import COCO_AREAS, Detections, GroundTruth, Rules

ERRORS = ("classification", "localization", "both", "duplicate", "background", "missed")
"""The six kinds of TIDE: right box and wrong class; right class and imprecise box; both wrong; the
same object again; no object there; and ground truths that no detection came near to."""
FALSE_POSITIVES, FALSE_NEGATIVES = "false positives", "false negatives"
CLASSIFICATION, LOCALIZATION, BOTH, DUPLICATE, BACKGROUND, _ = range(len(ERRORS))
NEAR = 0.1
"""The overlap below which a detection has nothing to do with a ground truth."""


@dataclass(frozen=True, eq=False)
class ErrorKinds:
    """Each of N detections and G ground truths with what is wrong with it, and what that costs.

    kind: (N,) int8, an index into ERRORS for each false positive, -1 for all other detections.
    target: (N,) int64, the ground truth that a false positive is about: of its own class
        (localization, duplicate) or of another one (classification, both); -1 else.
    overlap: (N,) float64 with `target`, or 0.
    match: (N,) int64, the ground truth that a true positive found, or -1.
    missed: (G,) bool, neither found nor the target of a classification or localization error.
    counted: (G,) bool, neither a crowd region nor ignored.
    ap: at the IoU that was asked for. costs: for each of ERRORS, FALSE_POSITIVES and
        FALSE_NEGATIVES the AP that is gained when this alone is mended; -1 without any ground
        truth.
    """

    kind: np.ndarray
    target: np.ndarray
    overlap: np.ndarray
    match: np.ndarray
    missed: np.ndarray
    counted: np.ndarray
    ap: float
    costs: dict[str, float]

    def missed_among(self, shown: np.ndarray) -> np.ndarray:
        """(G,) bool: the missed ground truths if there were only the detections `shown` (N,) bool,
        which are those above a threshold for each class."""
        near = (self.kind == CLASSIFICATION) | (self.kind == LOCALIZATION)
        seen = np.concatenate((self.match[shown & (self.match >= 0)], self.target[shown & near]))
        missed = self.counted.copy()
        missed[seen] = False
        return missed

    def counts(self, shown: np.ndarray | None = None) -> dict[str, int]:
        """How many of each of ERRORS there are, of all detections or of those `shown`."""
        shown = np.ones(len(self.kind), dtype=bool) if shown is None else shown
        kinds = np.bincount(self.kind[shown & (self.kind >= 0)], minlength=len(ERRORS))
        number = dict(zip(ERRORS, kinds.tolist(), strict=True))
        return number | {"missed": int(self.missed_among(shown).sum())}


def error_kinds(
    ground_truth: GroundTruth,
    detections: Detections,
    iou_type: str = "bbox",
    *,
    iou: float = 0.5,
    near: float = NEAR,
    max_dets: int | None = None,
) -> ErrorKinds:
    """Sort all false positives and misses by what is wrong with them (TIDE, sections 3.1, 3.2).

    iou_type: "bbox", "segm" or "keypoints", for which both were read; of keypoints it is OKS.
    iou: from which a detection may match (the paper's t_f). near: below which it lies on background
    (t_b). max_dets: how many detections of an image and class count, by default COCO's number.

    Where this differs from the authors' code: matching is COCO's, so that `ap` is AP50 to the last
    bit; detections that COCO ignores (on crowds) are no errors; and a class of which a mended
    count of ground truths leaves none has AP 1, where the code has 0 and so makes misses look free.
    """
    outcomes = matches_at(ground_truth, detections, iou, iou_type=iou_type)
    shown = _under_cap(detections, max_dets or rules_of(iou_type).max_dets[-1])
    match = np.where(outcomes.true_positive & shown, outcomes.matched_target, -1)
    wrong = outcomes.false_alarm & shown
    same_class, other_class = _nearest(ground_truth, detections, outcomes, wrong, iou_type, near)
    number, target, overlap = _kind_of_each(
        wrong, same_class, other_class, effective(np.array([iou]))[0]
    )
    counted = outcomes.found | outcomes.missed
    plain = ErrorKinds(
        number, target, overlap, match, np.zeros_like(counted), counted, ap=-1.0, costs={}
    )
    plain = replace(plain, missed=plain.missed_among(shown))
    return _with_costs(plain, ground_truth, detections, iou)


def _under_cap(detections: Detections, cap: int) -> np.ndarray:
    """(N,) bool: the best `cap` of each image and class."""
    ranking = rank_detections(detections)
    shown = np.zeros(len(detections), dtype=bool)
    shown[ranking.index] = ranking.rank < cap
    return shown


Nearest = tuple[np.ndarray, np.ndarray]
"""(N,) int64, the ground truth each detection overlaps most, or -1; (N,) float64, how much or 0."""


def _nearest(
    ground_truth: GroundTruth,
    detections: Detections,
    outcomes: Outcomes,
    wrong: np.ndarray,
    iou_type: str,
    near: float,
) -> tuple[Nearest, Nearest]:
    """For each false positive the nearest ground truth of its own class, and of any other class."""
    # One class for all: then the engine pairs everything that lies on one image.
    together = replace(ground_truth, category=np.zeros_like(ground_truth.category))
    mixed = replace(detections, category=np.zeros_like(detections.category))
    ranking = rank_detections(mixed)
    ranking = ranking.only(wrong[ranking.index])
    similarity = similarity_of(iou_type, together, mixed, least=near)
    pairs = candidate_pairs(together, mixed, ranking, similarity, near)
    who = ranking.index[pairs.position]
    counted = (outcomes.found | outcomes.missed)[pairs.ground_truth]
    same = ground_truth.category[pairs.ground_truth] == detections.category[who]
    same_class, other_class = (
        _most_similar(who[rows], pairs.ground_truth[rows], pairs.similarity[rows], len(detections))
        for rows in (counted & same, counted & ~same)
    )
    return same_class, other_class


def _most_similar(
    who: np.ndarray, ground_truth: np.ndarray, similarity: np.ndarray, count: int
) -> Nearest:
    order = np.lexsort(
        (-ground_truth, similarity)
    )  # written last, the best stays; of equals the first
    nearest, overlap = np.full(count, -1, dtype=np.int64), np.zeros(count)
    nearest[who[order]], overlap[who[order]] = ground_truth[order], similarity[order]
    return nearest, overlap


def _kind_of_each(
    wrong: np.ndarray, same_class: Nearest, other_class: Nearest, min_overlap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """kind, target and overlap (N,) of the false positives `wrong`."""
    poor_box = (same_class[0] >= 0) & (same_class[1] < min_overlap)
    wrong_class = other_class[1] >= min_overlap
    duplicate = same_class[1] >= min_overlap
    background = (same_class[0] < 0) & (other_class[0] < 0)
    kinds = [LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND]
    kind = np.select([poor_box, wrong_class, duplicate, background], kinds, BOTH).astype(np.int8)
    kind[~wrong] = -1
    of_same_class = (kind == LOCALIZATION) | (kind == DUPLICATE)
    target = np.where(of_same_class, same_class[0], other_class[0])
    overlap = np.where(of_same_class, same_class[1], other_class[1])
    return kind, np.where(wrong, target, -1), np.where(wrong, overlap, 0.0)


def _with_costs(
    errors: ErrorKinds, ground_truth: GroundTruth, detections: Detections, iou: float
) -> ErrorKinds:
    """The same with AP, and with what AP becomes when one kind after the other is mended."""
    # The reference cannot find an annotation with the id 0; here all of them can be found.
    ground_truth = replace(
        ground_truth, ids=tuple(range(1, len(ground_truth) + 1)), ignored=~errors.counted
    )
    kept = (errors.match >= 0) | (errors.kind >= 0)
    mended = _mended(errors, detections.score)
    found = np.zeros(len(ground_truth), dtype=bool)
    found[errors.match[errors.match >= 0]] = True

    def ap(keep: np.ndarray, match: np.ndarray, missing: np.ndarray | None = None) -> float:
        return _average_precision(ground_truth, detections, kept & keep, match, iou, missing)

    now = ap(kept, errors.match)
    after = {}
    for number, name in enumerate(ERRORS[:-1]):
        mine = errors.kind == number
        put_right = mine & mended
        match = np.where(put_right, errors.target, errors.match)
        after[name] = ap(~mine | put_right, match)
    after["missed"] = ap(kept, errors.match, errors.missed)
    after[FALSE_POSITIVES] = ap(errors.kind < 0, errors.match)
    after[FALSE_NEGATIVES] = ap(kept, errors.match, ~found)
    costs = {name: -1.0 if now < 0 else value - now for name, value in after.items()}
    return replace(errors, ap=now, costs=costs)


def _mended(errors: ErrorKinds, score: np.ndarray) -> np.ndarray:
    """(N,) bool: the errors of class and place that become true positives, the best-scored one of
    each ground truth without a detection; the others would be duplicates and go (section 3.2)."""
    near = np.flatnonzero((errors.kind == CLASSIFICATION) | (errors.kind == LOCALIZATION))
    near = near[~np.isin(errors.target[near], errors.match)]
    order = near[np.argsort(-score[near], kind="stable")]
    _, first = np.unique(errors.target[order], return_index=True)
    mended = np.zeros(len(score), dtype=bool)
    mended[order[first]] = True
    return mended


def _average_precision(
    ground_truth: GroundTruth,
    detections: Detections,
    keep: np.ndarray,
    match: np.ndarray,
    iou: float,
    missing: np.ndarray | None,
) -> float:
    """AP at one IoU of the detections `keep` (N,) bool, matched as `match` (N,) says and of the
    class of what they match; ground truths that are `missing` (G,) bool do not count."""
    category = np.where(match >= 0, np.append(ground_truth.category, 0)[match], detections.category)
    detections = replace(detections, category=category)
    ranking = rank_detections(detections)
    ranking = ranking.only(keep[ranking.index])
    given = match[ranking.index]
    position = np.flatnonzero(given >= 0)
    ground_truths = given[position].astype(np.int32)[:, None, None]  # (S, 1, 1)
    matches = Matches(position, ground_truths, np.ones(ground_truths.shape, dtype=bool))
    rules = Rules(
        np.array([iou]), np.linspace(0.0, 1.0, 101), COCO_AREAS[:1], (len(detections) + 1,)
    )
    before = count_ground_truths(ground_truth, ground_truth.ignored[:, None])[:, 0]  # (K,)
    if missing is not None:
        ground_truth = replace(ground_truth, ignored=ground_truth.ignored | missing)
    precision = accumulate(ground_truth, detections, ranking, matches, rules)[0][
        ..., 0, -1
    ]  # (1, R, K)
    precision[:, :, (precision[0, 0] < 0) & (before > 0)] = 1.0
    return mean_defined(precision)
