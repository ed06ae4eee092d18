"""tapetum models, env, demo"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from tapetum.cli.options import (
    Flag,
    Folder,
    Real,
    log,
    prepare_process,
    print_json,
    progress,
)


def models(*, json: Flag = False) -> int:
    """The models: a line about each, how fast it is on two cores of a processor (at the size that
    train takes by itself), the arguments that --set takes, and published weights of it.

    Args:
        json: print JSON, with source, training data and licences of the weights
    """
    from tapetum import api

    known = api.models()
    if json:
        print_json(known)
    else:
        for entry in known:
            first = ", to begin with" if entry["default"] else ""
            print(f"{entry['name']} ({entry['task']}{first}): {entry['about']}")
            print(f"  {latency(entry['latency'])}")
            print("  " + " ".join(f"{key}={value}" for key, value in entry["arguments"].items()))
            if names := ", ".join(known["name"] for known in entry["published"]):
                print(f"  published: {names}")
    return 0


def latency(measured: dict[str, Any] | None) -> str:
    """How fast a model is, in words."""
    if measured is None:
        return "latency not measured: python benchmarks/pace.py"
    size, predict, train = (measured[key] for key in ("image_size", "predict_ms", "train_ms"))
    text = f"images of {size} pixels: predicts one in {predict:.3g} ms"
    return text if train is None else f"{text}, trains on 1,000 in {train:.3g} s"


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
        advice = facts.pop("advice")
        for name, value in facts.items():
            print(f"{name:16s} {value}")
        for text in advice:
            print(f"advice: {text}")
    return 0


def demo(
    *,
    task: Annotated[str, arg(metavar="TASK")] = "detection",
    all: Flag = False,
    out: Folder = None,
    seconds: Real = None,
    no_open: Flag = False,
) -> int:
    """Find planted faults, train a small model on built-in scenes, measure it, explain it.

    For example:
      tapetum demo
      tapetum demo --task segmentation
      tapetum demo --all

    About three minutes on two cores. Nothing is downloaded. Prints the path of the report, which
    opens in a browser where there is a desktop.

    Args:
        task: classification, localization, segmentation, detection, instances or keypoints
        all: every task, a model each (kept where they are there), side by side on one scene
        out: the run folder to make (default: runs/demo, runs/demo-TASK or runs/demo-all)
        seconds: about how long to train (default: 130 for detection, 60 to 80 for the others)
        no_open: do not open the report
    """
    from tapetum.recipes.demo import DEFAULT_TASK, run_demo
    from tapetum.recipes.demo_all import SECONDS, run_all

    prepare_process()
    if all:
        page = run_all(out or Path("runs/demo-all"), seconds or SECONDS, log, progress)
    else:
        name = "demo" if task == DEFAULT_TASK else f"demo-{task}"
        page = run_demo(out or Path("runs") / name, task, seconds, log, progress=progress)
    print(page, flush=True)
    if not no_open and has_desktop(os.environ, sys.platform, terminal=sys.stdout.isatty()):
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(page.resolve().as_uri())
    return 0


def has_desktop(environment: Mapping[str, str], platform: str, *, terminal: bool) -> bool:
    """Does somebody sit before a screen that a page can be opened on? Never in CI.

    platform: as in `sys.platform`. terminal: is stdout one?
    """
    if not terminal or environment.get("CI"):
        return False
    if platform in ("darwin", "win32"):
        return not any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def version() -> str:
    """The version of the package."""
    return importlib.metadata.version("tapetum")


COMMANDS = (models, env, demo)
