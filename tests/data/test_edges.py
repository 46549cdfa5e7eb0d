"""Outlines of clothes: what Sobel's filters give, and `fashion-edges` packed of the four idx files of Fashion-MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from data.torchvision_pixels import torchvision_pixels
from PIL import Image
from raw_files import write_idx
from scipy.ndimage import gaussian_filter
from skimage.filters import sobel

from ganpipe.config import Data
from ganpipe.data.catalogue.names import FASHION_MNIST_CLASSES
from ganpipe.data.pack.stage import pack
from ganpipe.data.pack.tables import sobel_edges
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx(tmp_path_factory.mktemp("raw") / "fashion-edges", "fashion-edges")


def packed_of(raw: Path, into: Path, **params: object) -> Packed:
    pack(Data(name="fashion-edges", **params), raw, into)
    packed = Packed.open(into / "data.h5")
    packed.verify()
    return packed


def published(raw: Path, name: str, header: int) -> np.ndarray:
    """The numbers of both idx files of this name, training first."""
    parts = [gzip.decompress((raw / f"{stem}-{name}.gz").read_bytes())[header:] for stem in ("train", "t10k")]
    return np.frombuffer(b"".join(parts), np.uint8)


def test_edges_are_those_of_scikit_image_but_for_the_border() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 24, 20))
    images = np.concatenate([noise, gaussian_filter(noise, (0, 2, 2)), np.full((1, 24, 20), 255)]).astype(np.uint8)
    found = sobel_edges(images[..., None])
    assert found.dtype == np.uint8 and found.shape == (9, 24, 20, 1)
    for image, edges in zip(images, found[..., 0], strict=True):
        wanted = 255 * sobel(image / 255)
        assert np.abs(edges.astype(float) - wanted)[1:-1, 1:-1].max() <= 0.5 + 1e-9
    assert not found[-1, 1:-1, 1:-1].any() and found[-1, 0].all()  # outside counts as black


def test_edges_by_hand() -> None:
    image = np.array([[0, 0, 8], [4, 99, 6], [10, 20, 30]], np.uint8)
    down, across = (10 + 2 * 20 + 30) - (0 + 2 * 0 + 8), (8 + 2 * 6 + 30) - (0 + 2 * 4 + 10)
    assert (down, across) == (72, 32)
    wanted = np.sqrt(((down / 4) ** 2 + (across / 4) ** 2) / 2)  # 13.93
    assert sobel_edges(image[None, :, :, None])[0, 1, 1, 0] == round(wanted) == 14
    corner_down, corner_across = 2 * 4 + 99, 2 * 0 + 99  # the first pixel: outside is black
    wanted = np.sqrt(((corner_down / 4) ** 2 + (corner_across / 4) ** 2) / 2)  # 25.77
    assert sobel_edges(image[None, :, :, None])[0, 0, 0, 0] == round(wanted) == 26
    half = np.repeat(np.array([0, 0, 255, 255], np.uint8), 4).reshape(1, 4, 4, 1)
    assert sobel_edges(half)[0, 1:3, 1:3].ravel().tolist() == 4 * [round(255 / np.sqrt(2))]


def test_an_image_knows_nothing_of_its_neighbours() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
    for number in range(5):
        assert np.array_equal(sobel_edges(images)[number], sobel_edges(images[number : number + 1])[0])
    for channel in range(3):
        assert np.array_equal(sobel_edges(images)[..., channel], sobel_edges(images[..., channel, None])[..., 0])


def test_clothes_are_packed_beside_their_outlines(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw, tmp_path)
    assert {name: (field.kind, field.shape, field.space) for name, field in packed.fields.items()} == {
        "a": ("image", (1, 32, 32), "items"),
        "b": ("image", (1, 32, 32), "items"),
        "label": ("label", (), "items"),
    }
    assert packed.splits("items") == {"train": range(30), "test": range(30, 40)}
    clothes = published(raw, "images-idx3-ubyte", 16).reshape(40, 28, 28)
    a, b = packed.slice("a"), packed.slice("b")
    assert np.array_equal(b[:, 2:-2, 2:-2, 0], clothes)
    assert b.sum() == clothes.sum()  # the margin is black
    assert np.array_equal(a[7:8], sobel_edges(b[7:8]))
    assert packed.slice("label").tolist() == published(raw, "labels-idx1-ubyte", 8).tolist()
    assert packed.fields["label"].names == FASHION_MNIST_CLASSES


def test_both_pictures_get_another_size_and_colours(raw: Path, tmp_path: Path) -> None:
    plain = packed_of(raw, tmp_path / "plain")
    smaller = packed_of(raw, tmp_path / "smaller", size=16, channels=3)
    for name in ("a", "b"):
        assert smaller.fields[name].shape == (3, 16, 16)
        wanted = torchvision_pixels(Image.fromarray(plain.slice(name)[7, ..., 0]), None, 16, whole=True)
        assert np.array_equal(smaller.slice(name)[7], np.repeat(wanted[..., None], 3, axis=2))
    assert np.array_equal(smaller.slice("label"), plain.slice("label"))


def test_pictures_of_another_size_are_refused(raw: Path, tmp_path: Path) -> None:
    header = np.array([2051, 2, 32, 32], ">u4").tobytes()
    for name in (path.name for path in raw.iterdir()):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(2 * 32 * 32)))
    labels = np.array([2049, 2], ">u4").tobytes() + bytes(2)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: holds images of \(32, 32\), not \(28, 28\)"):
        packed_of(tmp_path, tmp_path / "packed")
