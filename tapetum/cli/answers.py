"""tapetum evaluate, predict, explain, report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from tapetum.base.errors import UsageError
from tapetum.cli.options import (
    Checkpoint,
    Code,
    File,
    Flag,
    Folder,
    Names,
    Number,
    Precision,
    Real,
    Run,
    Text,
    Weights,
    download_bar,
    log,
    prepare_process,
    print_json,
    progress,
)


def evaluate(
    run: Annotated[Positional[Path | None], arg(metavar="RUN", help_behavior_hint="")] = None,
    data: Annotated[Positional[str | None], arg(metavar="DATA", help_behavior_hint="")] = None,
    /,
    *,
    ground_truth: File = None,
    predictions: File = None,
    iou_type: Annotated[
        Literal["bbox", "segm", "keypoints"] | None,
        arg(metavar="{bbox,segm,keypoints}", help_behavior_hint=""),
    ] = None,
    max_dets: Number = None,
    split: Text = None,
    model: Code = None,
    data_: Annotated[Code, arg(name="data")] = None,
    weights: Weights = "auto",
    checkpoint: Checkpoint = "best",
    device: Annotated[str, arg(metavar="D")] = "auto",
    precision: Precision = "auto",
    save: File = None,
    workers: Annotated[int, arg(metavar="N")] = 0,
    json: Flag = False,
) -> int:
    """The metrics of a run, or COCO's metrics of a results file against its ground truth.

    For example:
      tapetum evaluate runs/first
      tapetum evaluate runs/first photos/ --split test --save detections.json
      tapetum evaluate retinanet_resnet50_fpn coco/ --split val
      tapetum evaluate --ground-truth instances_val.json --predictions detections.json --json

    Args:
        run: a run folder, or the name of a published network
        data: other data than the run's own; its classes must be among the model's, by name
        ground_truth: COCO ground truth, with --predictions, in place of a run
        predictions: COCO results, as a list of detections
        iou_type: what the two files are compared by (default: bbox); a run knows its own
        max_dets: most detections an image that count (default: 100; 20 for keypoints)
        split: train, val, test or all (default: of the run's own data test, else val; of DATA all,
            of scenes test)
        model: the code of the run's own model, to say that it may be run
        data_: DATA, said as an option: the code of the run's own data, to say that it may be run
        weights: of a network by name: those published for it, or a name, file, address or run
        checkpoint: which of the run's checkpoints
        device: auto, cpu, cuda, cuda:1 or mps
        precision: auto is fp32 here
        save: a new file for the predictions as JSON; those of detectors are COCO results, of maps
            each image's mean IoU
        workers: processes that read images
        json: print JSON; for boxes with the keys AP AP50 AP75 APsmall ... ARlarge
    """
    from tapetum import api

    prepare_process()
    if ground_truth is not None or predictions is not None:
        if ground_truth is None or predictions is None or run is not None:
            raise UsageError(
                "--ground-truth GT.json and --predictions DT.json go together, without RUN"
            )
        stats = api.evaluate_files(
            ground_truth, predictions, iou_type=iou_type or "bbox", max_dets=max_dets
        )
    elif iou_type is not None:
        raise UsageError("--iou-type is for --ground-truth and --predictions; a run knows its own")
    elif run is None:
        raise UsageError("evaluate needs RUN, or --ground-truth and --predictions", hint="--help")
    elif data is not None and data_ is not None:
        raise UsageError("DATA and --data say the same", hint="give one")
    else:
        evaluation = api.evaluate(
            run,
            data_ if data is None else data,
            split=split,
            model=model,
            weights=weights,
            checkpoint=checkpoint,
            device=device,
            precision=precision,
            max_dets=max_dets,
            save=save,
            workers=workers,
            bar=download_bar,
            progress=progress,
            log=log,
        )
        stats = evaluation.stats
    print_json(stats) if json else print_stats(stats)
    return 0


def predict(
    run: Run,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    /,
    *,
    out: Folder = None,
    save: Names = ("images",),
    threshold: Annotated[float | None, arg(metavar="T", help_behavior_hint="")] = None,
    classes: Names = (),
    max_detections: Number = None,
    nms_iou: Real = None,
    whole_image: Flag = False,
    model: Code = None,
    weights: Weights = "auto",
    checkpoint: Checkpoint = "best",
    device: Annotated[str, arg(metavar="D")] = "auto",
    precision: Precision = "auto",
    json: Flag = False,
) -> int:
    """What a run, or a published network, says of images: lines, JSON, or drawn into them.

    For example:
      tapetum predict runs/first photo.jpg
      tapetum predict retinanet_resnet50_fpn photo.jpg
      tapetum predict runs/first photos/*.jpg --out images --threshold 0.3
      tapetum predict runs/first photos/ --json > answers.json
      tapetum predict runs/first photos/ --out labels --save coco csv

    An image that cannot be read is named in one line; the others are answered, and the exit code
    is 1.

    Args:
        run: a run folder, or the name of a published network (tapetum models lists them)
        images: image files or folders of them
        out: the folder for what --save names; refused where a file of yours would be replaced,
            or among the images
        save: any of images (with the answers drawn in), coco, yolo, voc (labels, to go on with in
            CVAT or Label Studio), csv, crops (each found object as an image)
        threshold: leave out objects that score below (default: for each class what the run's
            report found best, in RUN/thresholds.json; else 0.5)
        classes: names of the only classes that count (default: all)
        max_detections: most objects of an image, the best ones (default: as many as it finds)
        nms_iou: overlap from which the weaker of two boxes of a class goes (default: the model's)
        whole_image: show a published classifier all of each image, squashed to a square; it is
            measured on the middle, and sees only that otherwise
        model: the code of the run's own model, to say that it may be run
        weights: of a network by name: those published for it, or a name, file, address or run
        checkpoint: which of the run's checkpoints
        device: auto, cpu, cuda, cuda:1 or mps
        precision: auto is fp32 here
        json: print JSON (schema tapetum.predictions/1)
    """
    from tapetum import api
    from tapetum.api.answers import refuse_answers

    if not images:
        raise UsageError("predict needs an image", hint="an image file, or a folder of them")
    if out is None and save != ("images",):
        raise UsageError("--save needs a folder to write to", hint="--out DIR")
    if out is not None:
        refuse_answers(images, out, save)
    prepare_process()
    predictor = api.load(
        run,
        model=model,
        weights=weights,
        whole_image=whole_image,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
        bar=download_bar,
        log=log,
    )
    answers = api.predict_files(
        predictor,
        images,
        threshold=threshold,
        classes=classes,
        max_detections=max_detections,
        nms_iou=nms_iou,
        out=out,
        save=save,
        progress=progress,
        log=log,
    )
    if json:
        print_json(answers)
    else:
        for answer in answers["images"]:
            print(f"{answer['file']}: {predictor.task.describe(answer)}")
    for failed in answers["failed"]:
        log(f"tapetum: {failed['error']}")
    return 1 if answers["failed"] else 0


def explain(
    run: Run,
    image: Annotated[Positional[Path], arg(metavar="IMAGE")],
    /,
    *,
    target: Annotated[str, arg(metavar="WHAT")] = "0",
    method: Annotated[str, arg(metavar="NAME")] = "auto",
    layer: Text = None,
    out: File = None,
    whole_image: Flag = False,
    model: Code = None,
    weights: Weights = "auto",
    checkpoint: Checkpoint = "best",
    device: Annotated[str, arg(metavar="D")] = "auto",
) -> int:
    """Why a run gave one of its answers: a heat map over the image.

    For example:
      tapetum explain runs/first photo.jpg --target box:2 --method saliency --out why.png
      tapetum explain resnet50 photo.jpg --target "tiger cat"
      tapetum explain runs/streets photo.jpg --target pixel:120,45

    Args:
        run: a run folder, or the name of a published network
        image: an image file
        target: which answer: 0 (the strongest), 1, ...; a class, or class:7 where it is called like
            a number; box:N, mask:N or keypoint:N of object N, keypoint:N:NAME, pixel:X,Y
        method: auto takes hires-cam for objects with boxes, else grad-cam; saliency for models
            without layers, occlusion for those without gradients; a wrong name lists all
        layer: where Grad-CAM looks; a wrong name lists them all
        out: the image to write (default: explanation.png, with a number where that is taken)
        whole_image: as for predict
        model: the code of the run's own model, to say that it may be run
        weights: of a network by name: those published for it, or a name, file, address or run
        checkpoint: which of the run's checkpoints
        device: auto, cpu, cuda, cuda:1 or mps
    """
    from tapetum import api
    from tapetum.base.outputs import refuse_output
    from tapetum.explain.methods import check_names

    check_names(method, layer)  # before weights are downloaded
    if out is not None:
        refuse_output(out)
    prepare_process()
    predictor = api.load(
        run,
        model=model,
        weights=weights,
        whole_image=whole_image,
        checkpoint=checkpoint,
        device=device,
        bar=download_bar,
        log=log,
    )
    print(
        api.explain_file(predictor, image, out, target=target, method=method, layer=layer, log=log)
    )
    return 0


def report(
    run: Run,
    /,
    *,
    split: Text = None,
    model: Code = None,
    data: Code = None,
    device: Annotated[str, arg(metavar="D")] = "auto",
) -> int:
    """Write RUN/report.html anew: numbers, curves, kinds of error with what they cost, best and
    worst images, heat maps, what to do next; of detectors RUN/thresholds.json, too.

    Args:
        run: a run folder
        split: the images to show (default: test where there is one, else val)
        model: the code of the run's own model, to say that it may be run
        data: the code of the run's own data, to say that it may be run
        device: auto, cpu, cuda, cuda:1 or mps
    """
    from tapetum import api

    prepare_process()
    shown = api.report(
        run, data, split=split, model=model, device=device, progress=progress, log=log
    )
    print(shown)
    return 0


def print_stats(stats: dict[str, Any]) -> None:
    """The numbers as a table; what has no ground truth is shown as a dash."""
    for name, value in stats.items():
        print(f"{name:20s} {'-' if value == -1 else f'{value:.4f}'}")


COMMANDS = (evaluate, predict, explain, report)
