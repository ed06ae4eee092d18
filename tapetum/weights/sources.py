"""Where weights come from: a published name, a file, an address or a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor

from tapetum.base.cache_folder import cache_folder
from tapetum.base.download import Bar, digest_of_name, download, no_bar
from tapetum.base.errors import CheckpointError, DownloadError, UsageError
from tapetum.base.files import sha256
from tapetum.base.progress import Log, no_log
from tapetum.models.catalog import CATALOG, defaults_of, model_function
from tapetum.models.custom import is_custom
from tapetum.models.entry import PublishedWeights
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Model
from tapetum.weights.checkpoint import MODEL_INFO, WEIGHTS, read_model_info, read_weights_of
from tapetum.weights.published import all_published, model_info, model_of, published
from tapetum.weights.run_checkpoint import checkpoint_of_run
from tapetum.weights.transfer import Transfer, check_file, read_weights, transfer

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        where: a published name, a file, an address or a run.
        entry: the published weights, where it is the name of some.
    """

    where: str
    entry: PublishedWeights | None = None

    def lasting(self) -> str:
        """`where` with an absolute path, so that it means the same from any folder."""
        is_path = self.entry is None and Path(self.where).exists()
        return str(Path(self.where).resolve()) if is_path else self.where

    def norm(self) -> str:
        """The norm that suits the weights: "group" where a run with it made them, else "frozen"."""
        if self.entry is None and Path(self.where).is_dir():
            folder, _ = checkpoint_of_run(Path(self.where))
            if read_model_info(folder).arguments.get("norm") == "group":
                return "group"
        return "frozen"

    def check(self) -> None:
        """Check what can be seen of a file or a run without reading the weights.

        Raises:
            CheckpointError: not a file of weights, or a folder without checkpoint.
            UsageError: a file of another kind.
        """
        if self.entry is None and "://" not in self.where:
            if Path(self.where).is_dir():
                checkpoint_of_run(Path(self.where))
            else:
                check_file(Path(self.where))

    def fetch(self, bar: Bar = no_bar, log: Log = no_log) -> tuple[dict[str, Tensor], Path]:
        """Download the file if need be, and read it.

        Args:
            bar: shows the progress of a download.
            log: is given lines about checkpoints that were passed over.

        Returns:
            The tensors by name, and the file that they come from.

        Raises:
            TapetumError: it cannot be downloaded, or is no file of weights.
        """
        if self.entry is not None:
            path = fetch_published(self.entry, bar, log)
        elif "://" in self.where:
            cached, digest = _file_of(self.where)
            path = download(self.where, cached, sha256=digest, bar=bar, log=log)
        elif Path(self.where).is_dir():
            folder, complaints = checkpoint_of_run(Path(self.where))
            for complaint in complaints:
                log(complaint)
            return read_weights_of(folder), folder / WEIGHTS
        else:
            path = Path(self.where)
        if path.name == WEIGHTS and (path.parent / MODEL_INFO).is_file():
            return read_weights_of(path.parent), path
        return read_weights(path), path

    def into(
        self, model: Model[Any], bar: Bar = no_bar, log: Log = no_log
    ) -> tuple[Transfer, Path]:
        """Load the weights into `model`, as far as they fit.

        Args:
            model: any model; its weights are changed.
            bar: shows the progress of a download.
            log: is given a table of what was reused.

        Returns:
            What became of each weight, and the file.

        Raises:
            TapetumError: there is no such file, it is damaged, or nothing in it fits.
        """
        tensors, path = self.fetch(bar, log)
        entry = self.entry or _by_file(path)
        epsilon = PublishedWeights.norm_epsilon if entry is None else entry.norm_epsilon
        result = transfer(model, tensors, path, epsilon)
        log(f"weights of {self.where}:")
        for line in result.lines():
            log(line)
        return result, path


def source_of(wanted: str, model: str, arguments: Mapping[str, Any]) -> Source | None:
    """The weights to start from; None for random ones.

    Args:
        wanted: "auto" (those published for the whole network, else for its backbone, else none),
            "none", a published name, a file, an address, or a run folder.
        model: a name in CATALOG, or "FILE.py:FUNCTION".
        arguments: those that the model is built with.

    Returns:
        Where the weights come from, None for random ones.

    Raises:
        UsageError: there are no such weights.
    """
    if wanted == NONE:
        return None
    if wanted == AUTO:
        entry = automatic(model, arguments)
        return None if entry is None else Source(entry.name, entry)
    if (entry := published(wanted)) is not None:
        return Source(entry.name, entry)
    if "://" not in wanted and not Path(wanted).exists():
        names = ", ".join(weights.name for weights in all_published())
        hint = f"auto, none, a file, an address, a run, or one of {names}"
        raise UsageError(f"no such weights: {wanted!r}", option="weights", hint=hint)
    return Source(wanted)


def is_name(wanted: str) -> bool:
    """Whether a value is "auto", "none" or a published name; a file of that name does not count.

    Args:
        wanted: the value.

    Returns:
        True if it is.
    """
    return wanted in (AUTO, NONE) or published(wanted) is not None


def network(name: str) -> PublishedWeights | None:
    """Published weights by their name, or the first ones of a model.

    Args:
        name: of the weights, or of a model in CATALOG.

    Returns:
        The entry; None if there is none.
    """
    of_model = CATALOG[name].weights if name in CATALOG else ()
    return published(name) or next(iter(of_model), None)


def build_network(
    entry: PublishedWeights, weights: str = AUTO, bar: Bar = no_bar, log: Log = no_log
) -> tuple[Model[Any], ModelInfo, Path]:
    """A published network with its weights, or with others for the same classes.

    Args:
        entry: the network.
        weights: as for `source_of`; "auto" takes those of the entry.
        bar: shows the progress of a download.
        log: is given lines about what was done.

    Returns:
        The model, what is needed to build it and to read its predictions, and the file.

    Raises:
        UsageError: no weights are asked for.
        CheckpointError: the file lacks weights of the network, or has them for other classes.
    """
    name = model_of(entry)
    source = Source(entry.name, entry) if weights == AUTO else source_of(weights, name, {})
    if source is None:
        raise UsageError("a network without weights cannot predict", option="weights")
    # Of two files for one network each has its own protocol of what is cut from an image.
    theirs = source.entry or _by_file(Path(source.where))
    info = model_info(theirs if theirs is not None and model_of(theirs) == name else entry)
    model = model_function(info.model)(**info.arguments)
    result, path = source.into(model, bar)
    if result.missing or result.left_out:
        why = "its weights are not of the whole network, or of one with other classes"
        hint = "tapetum train starts from it, as `weights`"
        raise CheckpointError(why, file=path, hint=hint)
    log(f"{entry.name}: {entry.data}, {path}")
    return model, info, path


def automatic(model: str, arguments: Mapping[str, Any]) -> PublishedWeights | None:
    """The published weights that suit a model: those of the whole network, else of its backbone.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION", for which there are none.
        arguments: those that the model is built with; others have their defaults.

    Returns:
        The entry; None if none are published.
    """
    if is_custom(model):
        return None
    given = defaults_of(model) | dict(arguments)
    if given.get("norm") == "group":  # which has none of the statistics of published weights
        return None
    for entry in CATALOG[model].weights[:1]:
        theirs = defaults_of(model) | dict(entry.arguments)
        if all(_same(given[name], theirs[name]) for name in entry.fixed_arguments):
            return entry
    renamed = CATALOG[model].backbone_arguments
    return _of_backbone({renamed.get(name, name): value for name, value in given.items()})


def _of_backbone(given: Mapping[str, Any]) -> PublishedWeights | None:
    """The weights that start the backbone of a model with these arguments, if there are any."""
    name = given.get("backbone")
    entries = CATALOG[name].weights if name in CATALOG else ()
    entry = next((weights for weights in entries if weights.starts_backbones), None)
    if name is None or entry is None:
        return None
    theirs = defaults_of(name) | dict(entry.arguments)
    shared = (argument for argument in entry.fixed_arguments if argument in given)
    return entry if all(_same(given[one], theirs[one]) for one in shared) else None


def fetch_published(entry: PublishedWeights, bar: Bar = no_bar, log: Log = no_log) -> Path:
    """The file of published weights: from torch's cache, from tapetum's, else from its server.

    Args:
        entry: the published weights.
        bar: shows the progress of a download.
        log: is given lines about the download.

    Returns:
        The path of the file.

    Raises:
        DownloadError: it cannot be downloaded, or its sha256 is wrong.
    """
    cached = cache_folder() / "weights" / entry.file
    for path in (Path(torch.hub.get_dir()) / "checkpoints" / entry.file, cached):
        if path.is_file():
            if not sha256(path).startswith(entry.sha256):
                why = f"damaged: its sha256 does not start with {entry.sha256}"
                raise DownloadError(why, file=path, hint="delete it; it will be fetched again")
            return path
    return download(entry.url, cached, sha256=entry.sha256, bar=bar, log=log)


def _file_of(url: str) -> tuple[Path, str]:
    """The cached file of an address, and the digest that its name states.

    Without a digest the name begins with that of the address, so that files of the same name from
    two addresses are two files.
    """
    name = Path(urlsplit(url).path).name
    if not name:
        raise UsageError("the address names no file", file=url, option="weights")
    digest = digest_of_name(name)
    if not digest:
        name = f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    return cache_folder() / "weights" / name, digest


def _by_file(path: Path) -> PublishedWeights | None:
    """The published weights whose file has this name, wherever it lies."""
    return next((weights for weights in all_published() if weights.file == path.name), None)


def _same(ours: Any, theirs: Any) -> bool:
    """Are both equal? A list and a tuple of the same values are."""
    sequences = isinstance(ours, list | tuple) and isinstance(theirs, list | tuple)
    return list(ours) == list(theirs) if sequences else ours == theirs
