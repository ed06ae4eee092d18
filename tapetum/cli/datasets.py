"""tapetum check, convert, data"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from tapetum.cli.options import (
    Data,
    File,
    Flag,
    Format,
    TaskName,
    WrittenFormat,
    log,
    print_json,
    progress,
)


def check(
    data: Data,
    /,
    *,
    task: TaskName = "detection",
    format: Format = "auto",
    html: File = None,
    strict: Flag = False,
    json: Flag = False,
) -> int:
    """Everything that is wrong with a dataset, by file and line or id; changes nothing.

    For example:
      tapetum check photos/
      tapetum check photos/ --strict --json
      tapetum check photos/ --html faults.html
      tapetum check VOC2007/ --task segmentation

    Args:
        data: folder or file with annotations
        task: what it is to be used for, where it holds several kinds of ground truth
        format: what it is written in; recognised by itself
        html: write a page that shows each kind of fault in images, and what to do
        strict: exit with 3 if there is an error or a warning
        json: print JSON
    """
    from tapetum import api

    findings = api.check(data, format=format, task=task, html=html, progress=progress)
    if json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            print(
                f"{finding.severity:7s} {finding.code}: {finding.file}: {finding.where}: "
                f"{finding.message}"
            )
    serious = sum(finding.severity != "info" for finding in findings)
    found = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    log(f"{found}, {serious} of them errors or warnings")
    if html is not None:
        log(f"page: {html}")
    return 3 if strict and serious else 0


def convert(
    data: Data,
    out: Annotated[Positional[Path], arg(metavar="OUT")],
    /,
    *,
    to: WrittenFormat,
    task: TaskName = "detection",
    format: Format = "auto",
) -> int:
    """Write a dataset in another format; the source is not touched.

    For example:
      tapetum convert photos/ photos-yolo/ --to yolo

    Args:
        data: folder or file with annotations
        out: the folder to make; refused if it holds anything
        to: the format to write
        task: whose ground truth is wanted, where DATA holds several kinds: keypoints, masks, ...
        format: what DATA is written in; recognised by itself
    """
    from tapetum import api

    print(api.convert(data, out, to=to, format=format, task=task))
    return 0


def data(*, json: Flag = False) -> int:
    """The datasets that are built in, by name.

    Args:
        json: print JSON
    """
    from tapetum import api

    known = api.builtin_datasets()
    if json:
        print_json(known)
    else:
        for entry in known:
            print(f"{entry['name']}: {entry['about']}")
    return 0


COMMANDS = (check, convert, data)
