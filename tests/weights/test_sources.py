"""Which weights a model starts from, and where they are found."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tapetum.base.errors import CheckpointError, DownloadError, UsageError
from tapetum.models import CATALOG
from tapetum.models.entry import PublishedWeights
from tapetum.weights import sources
from tapetum.weights.published import all_published, model_info, model_of
from tapetum.weights.sources import (
    automatic,
    build_network,
    fetch_published,
    network,
    source_of,
)
from tests.weights.tools import entry_of, publish

SMALL = {"num_classes": 1000, "backbone_width": 8}


# --- choice -------------------------------------------------------------------------------------

CHOICES = {
    "the whole detector": ("retinanet", {"backbone": "resnet50"}, "retinanet_resnet50_fpn"),
    "for other classes": ("faster_rcnn", {"num_classes": 3}, "fasterrcnn_resnet50_fpn"),
    "a list is a tuple": (
        "retinanet",
        {"backbone": "resnet50", "anchor_ratios": [0.5, 1.0, 2.0]},
        "retinanet_resnet50_fpn",
    ),
    "a classifier": ("resnet50", {"num_classes": 3}, "resnet50.v2"),
    "a transformer for larger images": ("vit_b_16", {"image_size": 384}, "vit_b_16"),
    "the body alone": ("retinanet", {"backbone": "resnet18"}, "resnet18"),
    "the body under other heads": (
        "retinanet",
        {"backbone": "resnet50", "fpn_channels": 128},
        "resnet50.v1",
    ),
    "the body of a U-Net": ("unet", {"encoder": "resnet34"}, "resnet34"),
    "the body of a localizer": ("localizer", {"backbone": "resnet18"}, "resnet18"),
    "a body that nobody published": ("retinanet", {"backbone": "resnet10"}, None),
    "a narrow body": ("mask_rcnn", {"backbone": "resnet50", "backbone_width": 32}, None),
    "a narrow encoder": ("unet", {"encoder": "resnet34", "width": 32}, None),
    "another stem": ("resnet18", {"stem": "small"}, None),
    "norms without statistics": ("retinanet", {"backbone": "resnet50", "norm": "group"}, None),
    "the U-Net of the paper": ("unet", {"encoder": "paper"}, None),
    "patches of another size": ("vit_b_16", {"patch": 32}, None),
    "nothing to publish": ("knn", {}, None),
    "small images": ("airbench", {}, None),
}


@pytest.mark.parametrize("case", CHOICES)
def test_what_auto_takes(case: str) -> None:
    model, arguments, expected = CHOICES[case]
    found = automatic(model, arguments)
    assert (found.name if found else None) == expected


def test_names_of_networks() -> None:
    names = ("resnet50", "resnet50.v1", "retinanet_resnet50_fpn", "retinanet", "yolo")
    found = [entry.name if (entry := network(name)) else None for name in names]
    assert found == [
        "resnet50.v2",
        "resnet50.v1",
        "retinanet_resnet50_fpn",
        "retinanet_resnet50_fpn",
        None,
    ]


@pytest.mark.parametrize("entry", all_published(), ids=lambda entry: entry.name)
def test_entries_are_whole(entry: PublishedWeights) -> None:
    assert len(entry.sha256) == 8
    assert entry.url.startswith("https://download.pytorch.org/models/")
    info = model_info(entry)
    assert len(info.classes) == len(info.class_ids) == len(set(info.classes))
    assert len(info.classes) == entry.arguments["num_classes"]
    assert info.facts["weights licence"] == "not stated"
    if entry.data.startswith("COCO"):
        assert dict(zip(info.classes, info.class_ids, strict=True))["person"] == 1
    if model_of(entry) == "mask_rcnn":
        assert dict(zip(info.classes, info.class_ids, strict=True))["toothbrush"] == 90


def test_what_is_no_weights(tmp_path: Path) -> None:
    assert source_of("none", "resnet18", {}) is None
    with pytest.raises(UsageError, match="no such weights: 'nowhere"):
        source_of("nowhere.pth", "resnet18", {})
    with pytest.raises(UsageError, match="a network without weights cannot predict"):
        build_network(all_published()[0], "none")


# --- finding ------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[PublishedWeights, bytes]:
    """A small network as if it were published, the bytes of its file, and empty caches."""
    torch.manual_seed(0)
    model = CATALOG["resnet10"].build(**SMALL)
    renames, state = model.references["torchvision"], model.state_dict()
    torch.save({str(renames.theirs(n)): v for n, v in state.items()}, tmp_path / "made.pth")
    content = (tmp_path / "made.pth").read_bytes()
    name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    entry = entry_of("tiny", name, SMALL)
    publish(monkeypatch, "resnet10", entry)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    return entry, content


@pytest.fixture
def host(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that has the file."""
    entry, content = tiny
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / entry.file).write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    publish(monkeypatch, "resnet10", entry_of("tiny", entry.file, SMALL, host=url))
    yield url
    server.shutdown()
    server.server_close()


def test_a_network_is_fetched_once(tiny, host, tmp_path, monkeypatch) -> None:
    entry = CATALOG["resnet10"].weights[0]
    said: list[str] = []
    model, info, path = build_network(entry, log=said.append)
    assert path == tmp_path / "cache" / "weights" / entry.file
    assert said == [f"tiny: ImageNet-1K, {path}"]
    assert info.classes[:2] == ("tench", "goldfish")
    publish(monkeypatch, "resnet10", unreachable := entry_of("tiny", entry.file, SMALL))
    again, *_ = build_network(unreachable)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )


def test_torchs_own_cache_serves(tiny, tmp_path) -> None:
    entry, content = tiny
    place = tmp_path / "torch" / "hub" / "checkpoints" / entry.file
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert fetch_published(entry) == place
    place.write_bytes(content + b"x")
    with pytest.raises(DownloadError, match=f"{place.name}: damaged.*delete it"):
        fetch_published(entry)


def test_without_a_network_the_line_says_where_from_and_where_to(tiny, tmp_path) -> None:
    entry, _ = tiny
    where = tmp_path / "cache" / "weights" / entry.file
    with pytest.raises(DownloadError) as caught:
        build_network(entry)
    assert str(caught.value).startswith(f"{entry.url}: cannot be reached")
    assert f"put it at {where}" in str(caught.value)


def test_an_address_is_weights(tiny, host, tmp_path) -> None:
    entry, _ = tiny
    source = source_of(host + entry.file, "resnet10", {})
    assert source is not None
    result, path = source.into(CATALOG["resnet10"].build(**SMALL))
    assert (result.missing, result.unused) == ((), ())
    assert path == tmp_path / "cache" / "weights" / entry.file


def test_addresses_without_a_digest_are_kept_apart(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path))
    urls = ("http://a/model.pth", "http://b/model.pth", "http://a/model-0123456789ab.pth")
    places = [sources._file_of(url) for url in urls]
    assert len({path for path, _ in places}) == 3
    assert all(path.name.endswith("model.pth") for path, _ in places[:2])
    assert places[2] == (tmp_path / "weights" / "model-0123456789ab.pth", "0123456789ab")
    with pytest.raises(UsageError, match="the address names no file"):
        sources._file_of("http://a/")


def test_weights_for_other_classes_do_not_make_a_network(tiny, tmp_path) -> None:
    entry, _ = tiny
    other = CATALOG["resnet10"].build(backbone_width=8, num_classes=3).state_dict()
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="with other classes"):
        build_network(entry, str(tmp_path / "other.pth"))


def test_what_a_run_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to be called like a published network changes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").mkdir()
    (tmp_path / "mine.pth").write_bytes(b"")
    lasting = [
        source.lasting()
        for name in ("resnet18", "mine.pth")
        if (source := source_of(name, "resnet18", {}))
    ]
    assert lasting == ["resnet18", str(tmp_path / "mine.pth")]
