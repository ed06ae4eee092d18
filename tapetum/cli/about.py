"""tapetum models, env, demo"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from tapetum.cli.options import Flag, prepare_process, print_json, say


def models(*, json: Flag = False) -> int:
    """The models, with a line about each and the arguments that --set takes.

    Args:
        json: print JSON
    """
    from tapetum import api

    known = api.models()
    if json:
        print_json(known)
    else:
        for entry in known:
            print(f"{entry['name']}: {entry['about']}")
            print("  " + " ".join(f"{key}={value}" for key, value in entry["arguments"].items()))
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
    out: Annotated[Path, arg(metavar="DIR")] = Path("runs/demo"),
    seconds: Annotated[float, arg(metavar="S")] = 130.0,
) -> int:
    """Train a small detector on built-in scenes, measure it, explain it, leave a report.

    About three minutes on two cores. Nothing is downloaded.

    Args:
        out: the run folder to make
        seconds: about how long to train
    """
    from tapetum.recipes.demo import run_demo

    prepare_process()
    print(run_demo(out, seconds=seconds, say=say))
    return 0


def version() -> str:
    """The version of the package."""
    return importlib.metadata.version("tapetum")


COMMANDS = (models, env, demo)
