"""Published sets of photographs, cut into tiles for super-resolution."""

from __future__ import annotations

from ganpipe.data.catalogue.dataset import Dataset, RawFile, Tiles
from ganpipe.data.catalogue.folders import TILES, TILES_TRANSFORM
from ganpipe.data.catalogue.origins import Published

_DIV2K = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"


def _div2k(name: str, size: int, sha256: str) -> RawFile:
    return RawFile(name, Published((f"{_DIV2K}{name}", f"http{_DIV2K.removeprefix('https')}{name}")), size, sha256)


DIV2K = Dataset(
    name="div2k",
    title="900 photographs of 2K resolution in tiles, and each smaller",
    fields=TILES,
    count=None,
    source="DIV2K, training and validation photographs of high resolution, https://data.vision.ee.ethz.ch/cvl/DIV2K/",
    licence="for academic research; the photographs belong to the people who took them",
    citation="Agustsson, Timofte: NTIRE 2017 challenge on single image super-resolution: dataset and study. CVPRW 2017",
    transform=TILES_TRANSFORM,
    files=(
        _div2k("DIV2K_train_HR.zip", 3_530_603_713, "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
        _div2k("DIV2K_valid_HR.zip", 448_993_893, "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"),
    ),
    layout=Tiles((("train", "DIV2K_train_HR.zip"), ("valid", "DIV2K_valid_HR.zip"))),
    terms="research only",
    size=96,
)
