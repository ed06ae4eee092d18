"""Batches for Python: read as data, never run."""

from __future__ import annotations

import os
import pickle
import struct
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError
from tapetum.data.formats.cifar_python import read_batch, read_names
from tapetum.data.reading.files import open_dataset

LIMIT = 2**20


def batch(count: int = 6, order: str = "C") -> dict[str, Any]:
    data = np.random.default_rng(count).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {
        "batch_label": "training batch 1 of 5",
        "labels": [n % 10 for n in range(count)],
        "data": np.asarray(data, order=order),
        "filenames": [f"x{n}.png" for n in range(count)],
    }


def text2(value: bytes) -> bytes:
    """A text as Python 2 wrote it."""
    long = b"T" + struct.pack("<i", len(value))
    return (long if len(value) > 255 else b"U" + bytes([len(value)])) + value


def as_python_2(content: dict[str, Any]) -> bytes:
    """The bytes of the published batches: protocol 2, texts as bytes, an array by its parts."""
    data = content["data"]
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87R"
        b"q\x07(K\x01" + b"J" + struct.pack("<i", data.shape[0]) + b"M\x00\x0c\x86cnumpy\ndtype\n"
        b"U\x02u1K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text2(data.tobytes())
        + b"tb"
    )
    labels = b"]q\x09(" + b"".join(b"K" + bytes([n]) for n in content["labels"]) + b"e"
    files = b"]q\x0a(" + b"".join(text2(name.encode()) for name in content["filenames"]) + b"e"
    items = (
        text2(b"batch_label") + text2(b"training batch 1 of 5") + text2(b"labels") + labels,
        text2(b"data") + array + text2(b"filenames") + files,
    )
    return b"\x80\x02}q\x01(" + b"".join(items) + b"u."


@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_of_either_python(tmp_path, order):
    content = batch(order=order)
    files = {"three": pickle.dumps(content, protocol=2)}
    if order == "C":
        files["two"] = as_python_2(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            theirs = pickle.loads(files["two"], encoding="bytes")
        np.testing.assert_array_equal(theirs[b"data"], content["data"])  # the test's own bytes
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        planes, labels = read_batch(tmp_path / name, LIMIT)
        np.testing.assert_array_equal(planes, content["data"])
        assert labels.tolist() == content["labels"]
        assert labels.dtype == np.int64


def test_a_folder_of_batches(tmp_path):
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    for name, count in (("data_batch_1", 12), ("test_batch", 4)):
        (root / name).write_bytes(as_python_2(batch(count)))
    names = [f"kind {n}" for n in range(10)]
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))
    dataset = open_dataset(tmp_path, "test", task="classification")
    assert (len(dataset), dataset.classes) == (4, tuple(names))
    expected = batch(4)["data"].reshape(-1, 3, 32, 32)
    assert (dataset[2].image.numpy() == expected[2]).all()
    assert dataset[2].target.labels.tolist() == [2]
    assert dataset[2].name == "test_batch-00002.png"
    hundred = {"fine_labels": [7], "coarse_labels": [1], "data": batch(1)["data"]}
    other = tmp_path / "hundred"
    other.mkdir()
    (other / "train").write_bytes(pickle.dumps(hundred, protocol=2))
    meta = {"fine_label_names": [f"f{n}" for n in range(100)], "coarse_label_names": ["x"]}
    (other / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    found = open_dataset(other, "all", task="classification")
    assert (found.classes[99], found[0].target.labels.tolist()) == ("f99", [7])


class Hostile:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch owned",), f"{os.system.__module__}.system"),
        (eval, ("1",), "eval"),
        (np.frombuffer, (b"1",), "frombuffer"),
        (getattr, (1, "real"), "getattr"),
    ],
)
def test_code_is_refused_by_its_name(tmp_path, monkeypatch, function, arguments, name):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "data_batch_1"
    for content in (Hostile(function, *arguments), {"data": [Hostile(function, *arguments)]}):
        file.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(AnnotationError, match=rf"it wants .*{name}, which is code") as caught:
            read_batch(file, LIMIT)
        assert caught.value.where.startswith("byte ")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"", "ends too early"),
        (b"\x80\x02}", "ends too early"),
        (b"\x80\x02U\xffabc.", "ends too early"),
        (b"\x80\x02T\xff\xff\xff\xff.", "ends too early"),
        (b"i", "instruction b'i'"),
        (b"\x80\x02o.", "instruction b'o'"),
        (b"\x80\x02h\x00.", "not a batch"),
        (b".", "not a batch"),
        (b"a.", "not a batch"),
        (b"u.", "not a batch"),
        (b"cnumpy\nndarray\n)R.", "it calls ndarray"),
        (b"cnumpy\ndtype\n(U\x02f8K\x00K\x01tR.", "it calls dtype with other arguments"),
        (b"NNb.", "gives a state"),
        (b"K\x07.", "a batch is a dict"),
        (b"}(NNu.", "not a batch"),
        (b"}.", "data are not rows"),
        (b"c", "not a batch"),
    ],
)
def test_programs_that_are_no_batches(tmp_path, program, words):
    file = tmp_path / "x"
    file.write_bytes(program)
    with pytest.raises(AnnotationError, match=words) as caught:
        read_batch(file, LIMIT)
    assert str(file) in str(caught.value)


def test_nothing_multiplies(tmp_path):
    """A text that is remembered, and turned into bytes again and again."""
    text = b"X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x01"
    encode = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"
    (tmp_path / "x").write_bytes(text + encode * 10**4 + b".")
    start = time.perf_counter()
    with pytest.raises(AnnotationError, match="unpacks to more than it holds"):
        read_batch(tmp_path / "x", 2 * LIMIT)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": np.zeros((6, 3071), np.uint8)}, "not rows of 3,072"),
        ({"data": np.zeros((6, 3072), np.int8)}, "calls dtype with other arguments"),
        ({"data": [1]}, "not rows"),
        ({"labels": [1, 2]}, "has no 6 whole numbers"),
        ({"labels": [True] * 6}, "has no 6 whole numbers"),
        ({"labels": None}, "has no 6 whole numbers"),
    ],
)
def test_batches_of_another_content(tmp_path, change, words):
    (tmp_path / "x").write_bytes(pickle.dumps(batch() | change, protocol=2))
    with pytest.raises(AnnotationError, match=words):
        read_batch(tmp_path / "x", LIMIT)
    with pytest.raises(AnnotationError, match=r"no list of class names|other arguments"):
        read_names(tmp_path / "x", LIMIT)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_change_of_bytes_gives_a_batch_or_one_error(tmp_path_factory, data):
    program = bytearray(as_python_2(batch(2)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, 400) | st.integers(0, len(program) - 1))
        program[start : start + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    file = tmp_path_factory.getbasetemp() / "changed"
    file.write_bytes(program)
    try:
        planes, labels = read_batch(file, LIMIT)
    except AnnotationError:
        return
    assert planes.shape == (len(labels), 3072)
