"""Labels of whole images: folders of classes, IDX, CIFAR."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.limits import Limits
from tapetum.data.checking.check import check_dataset
from tapetum.data.formats import cifar, convert, folders, idx, read_annotations, recognize
from tapetum.data.reading.files import open_dataset

# --- folders ------------------------------------------------------------------------------------


@pytest.fixture
def classes_folder(tmp_path, make):
    """Three images of dogs and two of cats in each of some folders."""

    def build(*splits: str) -> Path:
        root = tmp_path / "pets"
        for number, split in enumerate(splits or ("",)):
            for name, count in (("dog", 3), ("cat", 2)):
                for i in range(count):
                    path = root / split / name / f"{i}.png"
                    make.save(path, make.noise(8, 9, 100 * number + 10 * count + i))
        return root

    return build


def test_folders_are_classes_in_alphabetical_order(classes_folder):
    root = classes_folder()
    dataset = open_dataset(root, "all", task="classification")
    assert (recognize(root), dataset.classes) == ("folders", ("cat", "dog"))
    assert not dataset.multilabel
    labels = {dataset[i].name: dataset[i].target.labels.item() for i in range(5)}
    dogs, cats = (f"dog/{i}.png" for i in range(3)), (f"cat/{i}.png" for i in range(2))
    assert labels == dict.fromkeys(dogs, 1) | dict.fromkeys(cats, 0)
    assert dataset.class_counts() == [2, 3]
    assert dataset.record(0).size == (8, 9)
    assert check_dataset(root) == []


@pytest.mark.parametrize(
    ("splits", "names"),
    [
        (("train", "val"), ["train", "val"]),
        (("train", "valid", "test"), ["train", "val", "test"]),
        (("train",), ["train"]),
    ],
)
def test_folders_of_splits(classes_folder, splits, names):
    found = read_annotations(classes_folder(*splits))
    assert list(found.splits) == names
    assert [len(images) for images in found.splits.values()] == [5] * len(names)
    assert found.classes == ("cat", "dog")


def test_a_class_may_be_called_train_and_lie_deeper(tmp_path, make):
    make.save(tmp_path / "train" / "a.png", make.noise(4, 4))
    make.save(tmp_path / "ship" / "far" / "b.jpeg", make.noise(4, 4))
    found = read_annotations(tmp_path)
    assert found.classes == ("ship", "train")
    assert [p.name for p in found.splits["all"]] == ["ship/far/b.jpeg", "train/a.png"]


def test_what_is_no_folder_of_classes(tmp_path, make):
    make.save(tmp_path / "a" / "images" / "a.png", make.noise(4, 4))
    assert not folders.recognize(tmp_path / "a")  # one folder tells nothing
    make.save(tmp_path / "b" / "train" / "a.png", make.noise(4, 4))
    make.save(tmp_path / "b" / "val" / "a.png", make.noise(4, 4))
    assert not folders.recognize(tmp_path / "b")  # splits without classes
    with pytest.raises(AnnotationError, match="no folders of classes"):
        read_annotations(tmp_path / "b", "folders")


def test_other_formats_come_first(coco_folder, voc_folder, yolo_folder, make):
    for build, name in ((coco_folder, "coco"), (voc_folder, "voc"), (yolo_folder, "yolo")):
        root = build()
        make.save(root / "x" / "a.png", make.noise(4, 4))
        make.save(root / "y" / "a.png", make.noise(4, 4))
        assert recognize(root, "classification") == name


def test_faults_in_folders(classes_folder):
    root = classes_folder()
    (root / "empty").mkdir()
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / ".hidden").write_text("x")
    found = {(f.code, f.file) for f in check_dataset(root) if f.severity != "info"}
    assert found == {("class-empty", "empty"), ("not-an-image", "cat")}
    with pytest.raises(AnnotationError, match="more than 4 images"):
        read_annotations(root, limits=Limits(annotations=4))
    with pytest.raises(UsageError, match="have labels of whole images; boxes are needed"):
        open_dataset(root, "all")


def test_links_that_lead_out_are_no_images(classes_folder, tmp_path, make):
    root = classes_folder()
    outside = make.save(tmp_path / "secret.png", make.noise(4, 4))
    (root / "cat" / "2.png").symlink_to(outside)
    found = read_annotations(root)
    assert sum(map(len, found.splits.values())) == 5
    assert [f.code for f in found.findings] == ["name-hostile"]


# --- IDX ----------------------------------------------------------------------------------------


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(root: Path, count: int = 30, packed: bool = False, stem: str = "train") -> np.ndarray:
    random = np.random.default_rng(len(stem))
    images = random.integers(0, 256, (count, 5, 4), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.uint8)
    root.mkdir(exist_ok=True)
    pack, ending = (gzip.compress, ".gz") if packed else (bytes, "")
    (root / f"{stem}-images-idx3-ubyte{ending}").write_bytes(pack(idx_bytes(images)))
    (root / f"{stem}-labels-idx1-ubyte{ending}").write_bytes(pack(idx_bytes(labels)))
    return images


@pytest.mark.parametrize("packed", [False, True])
def test_idx_images_and_labels(tmp_path, packed):
    images = write_idx(tmp_path, packed=packed)
    write_idx(tmp_path, 7, packed, "t10k")
    assert recognize(tmp_path, "classification") == "idx"
    assert list(read_annotations(tmp_path).splits) == ["train", "test"]
    train, val = (
        open_dataset(tmp_path, split, task="classification") for split in ("train", "val")
    )
    assert (len(train), len(val), len(open_dataset(tmp_path, "test", task="classification"))) == (
        27,
        3,
        7,
    )
    assert train.classes == tuple("0123456789")
    assert not train.multilabel
    for dataset in (train, val):
        for index in range(len(dataset)):
            sample = dataset[index]
            place = int(sample.name[6:11])
            assert sample.name == f"train-{place:05d}.png"
            assert sample.target.labels.tolist() == [place % 10]
            assert sample.image.shape == (3, 5, 4)
            assert (sample.image.numpy() == images[place]).all()
            assert dataset.record(index).size == (5, 4)


def test_samples_of_packed_images_are_copies(tmp_path):
    write_idx(tmp_path)
    dataset = open_dataset(tmp_path, "all", task="classification")
    first = dataset[0].image.clone()
    dataset[0].image.zero_()
    assert torch.equal(dataset[0].image, first)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[3].image, dataset[3].image)


def test_names_of_idx_classes(tmp_path):
    write_idx(tmp_path)
    names = [f"kind {number}" for number in range(10)]
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n")
    assert read_annotations(tmp_path).classes == tuple(names)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(AnnotationError, match="2 names for 10 classes"):
        read_annotations(tmp_path)
    (tmp_path / "labels.txt").write_text("a\n" * 10)
    with pytest.raises(AnnotationError, match="lists a class twice"):
        read_annotations(tmp_path)


HEAD = struct.pack(">HBBIII", 0, 8, 3, 2, 3, 4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an IDX file"),
        (HEAD[:9], "not an IDX file"),
        (b"\1" + HEAD[1:] + bytes(24), "not an IDX file"),
        (HEAD + bytes(23), "length is not that of the announced 2 x 3 x 4"),
        (HEAD + bytes(25), "length is not that of the announced"),
        (struct.pack(">HBBIII", 0, 13, 3, 2, 3, 4) + bytes(96), "IDX of kind 13 with 3 axes"),
        (struct.pack(">HBBI", 0, 8, 1, 24) + bytes(24), "IDX of kind 8 with 1 axes"),
        (struct.pack(">HBBIII", 0, 8, 3, 0, 3, 4), "no images"),
        (struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 60000, 60000), "over the limit"),
        (struct.pack(">HBBIII", 0, 8, 3, 2, 70000, 1) + bytes(140000), "over the limit"),
    ],
)
def test_damaged_idx_files(tmp_path, data, words):
    for name, content in (("plain", data), ("packed", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AnnotationError, match=words) as caught:
            idx.read_idx(tmp_path / name, 3)
        assert name in str(caught.value)


def test_a_packed_file_is_unpacked_no_further_than_announced(tmp_path):
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(HEAD + bytes(200 * 2**20)))
    start = time.perf_counter()
    with pytest.raises(AnnotationError, match="length is not that"):
        idx.read_idx(file, 3)
    assert time.perf_counter() - start < 0.5
    whole = gzip.compress(HEAD + bytes(24))
    for damaged in (whole[:-1], whole[:30], whole + whole, whole[:20] + b"\0\0" + whole[22:]):
        file.write_bytes(damaged)
        with pytest.raises(AnnotationError):
            idx.read_idx(file, 3)


def test_labels_that_do_not_fit(tmp_path):
    write_idx(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(29, dtype=np.uint8)))
    with pytest.raises(AnnotationError, match=r"29 labels for the 30 images of train-images"):
        read_annotations(tmp_path)
    labels.unlink()
    with pytest.raises(AnnotationError, match="there is no train-labels-idx1-ubyte"):
        read_annotations(tmp_path)
    write_idx(tmp_path)
    with pytest.raises(AnnotationError, match=r"more than 29 images|over the limit"):
        read_annotations(tmp_path, limits=Limits(annotations=29))


def test_real_idx(shared_data):
    dataset = open_dataset(shared_data / "fashion_mnist", "test", task="classification")
    assert (len(dataset), dataset.class_counts()) == (10000, [1000] * 10)
    assert dataset[0].target.labels.tolist() == [9]  # an ankle boot, as published
    start = time.process_time()
    mean = np.mean([dataset[i].image.float().mean().item() for i in range(2000)])
    assert (time.process_time() - start) / 2000 < 200e-6
    assert abs(mean / 255 - 0.286) < 0.01


def test_packed_images_are_written_as_files(tmp_path):
    images = write_idx(tmp_path / "in")
    done = convert(tmp_path / "in", tmp_path / "out", "coco", task="classification")
    assert done.images == 30
    assert done.lost == ("30 labels of whole images",)
    copy = open_dataset(tmp_path / "out", "all")
    assert (copy[4].image.numpy() == images[int(copy[4].name[6:11])]).all()
    content = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert len(content["images"]) == 30


# --- CIFAR --------------------------------------------------------------------------------------


def records(count: int, head: int, most: int = 10) -> tuple[np.ndarray, bytes]:
    random = np.random.default_rng(count)
    pixels = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(count * head, dtype=np.uint8).reshape(count, head) % most
    return pixels, np.concatenate([labels, pixels.reshape(count, -1)], 1).tobytes()


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar_10_in_binary(tmp_path, inner):
    root = tmp_path / inner
    root.mkdir(exist_ok=True)
    pixels = {}
    for name, count in (("data_batch_1", 20), ("data_batch_2", 11), ("test_batch", 5)):
        pixels[name], data = records(count, 1)
        (root / f"{name}.bin").write_bytes(data)
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
    (root / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert recognize(tmp_path, "classification") == "cifar"
    dataset = open_dataset(tmp_path, "all", task="classification")
    assert (len(dataset), dataset.classes) == (36, tuple(names))
    assert not dataset.multilabel
    assert len(open_dataset(tmp_path, "test", task="classification")) == 5
    sample = dataset[23]
    assert sample.name == "data_batch_2-00003.png"
    assert (sample.image.numpy() == pixels["data_batch_2"][3]).all()
    assert sample.image.is_contiguous()
    assert sample.target.labels.tolist() == [3]


def test_cifar_100_in_binary(tmp_path):
    pixels, data = records(7, 2, 100)
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "fine_label_names.txt").write_text("".join(f"c{i}\n" for i in range(100)))
    dataset = open_dataset(tmp_path, "test", task="classification")
    assert len(dataset.classes) == 100
    assert [dataset[i].target.labels.item() for i in range(7)] == [1, 3, 5, 7, 9, 11, 13]
    assert (dataset[2].image.numpy() == pixels[2]).all()


def test_damaged_cifar(tmp_path):
    _, data = records(4, 1)
    file = tmp_path / "data_batch_1.bin"
    for content, words in (
        (data[:-1], "not a multiple of the record size 3,073"),
        (b"", "not a multiple"),
        (data[:3073] + b"\x0a" + data[3074:], r"record 1: label 10, but there are 10 classes"),
    ):
        file.write_bytes(content)
        with pytest.raises(AnnotationError, match=words):
            read_annotations(tmp_path)
    file.write_bytes(data)
    assert [f.code for f in read_annotations(tmp_path).findings] == ["class-names-missing"]
    with pytest.raises(AnnotationError, match="more than 3 images"):
        read_annotations(tmp_path, limits=Limits(annotations=3))
    assert not cifar.recognize(tmp_path / "absent")
