"""tapetum models, env, demo"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from tapetum.cli.options import Flag, Folder, Real, prepare_process, print_json, say


def models(*, json: Flag = False) -> int:
    """The models: a line about each, the arguments that --set takes, and published weights of it.

    Args:
        json: print JSON, with source, training data and licences of the weights
    """
    from tapetum import api

    known = api.models()
    if json:
        print_json(known)
    else:
        for entry in known:
            print(f"{entry['name']}: {entry['about']}")
            print("  " + " ".join(f"{key}={value}" for key, value in entry["arguments"].items()))
            if names := ", ".join(known["name"] for known in entry["published"]):
                print(f"  published: {names}")
    return 0


def env(*, json: Flag = False) -> int:
    """Versions, machine, devices and limits, for a report of a problem.

    Args:
        json: print JSON
    """
    from tapetum import api

    facts = api.environment_facts()
    if json:
        print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name:16s} {value}")
    return 0


def demo(
    *,
    task: Annotated[str, arg(metavar="TASK")] = "detection",
    all: Flag = False,
    out: Folder = None,
    seconds: Real = None,
) -> int:
    """Train a small model on built-in scenes, measure it, explain it, leave a report.

    For example:
      tapetum demo
      tapetum demo --task segmentation
      tapetum demo --all

    About three minutes on two cores. Nothing is downloaded.

    Args:
        task: classification, localization, segmentation, detection, instances or keypoints
        all: every task, a model each (kept where they are there), side by side on one scene
        out: the run folder to make (default: runs/demo, runs/demo-TASK or runs/demo-all)
        seconds: about how long to train (default: 130 for detection, 60 to 80 for the others)
    """
    from tapetum.recipes.demo import run_demo
    from tapetum.recipes.demo_all import SECONDS, run_all

    prepare_process()
    if all:
        print(run_all(out or Path("runs/demo-all"), seconds=seconds or SECONDS, say=say))
        return 0
    name = "demo" if task == "detection" else f"demo-{task}"
    print(run_demo(out or Path("runs") / name, task, seconds, say))
    return 0


def version() -> str:
    """The version of the package."""
    return importlib.metadata.version("tapetum")


COMMANDS = (models, env, demo)
