"""Sets of photographs, published or carried by Python packages, cut into tiles; one with a painting beside."""

from __future__ import annotations

from ganpipe.data.catalogue.dataset import Dataset, RawFile, StyleTiles, Tiles
from ganpipe.data.catalogue.folders import STYLE_TRANSFORM, TILES, TILES_TRANSFORM, UNPAIRED
from ganpipe.data.catalogue.origins import Embedded, Published

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


def _skimage(name: str, size: int, sha256: str) -> RawFile:
    return RawFile(name, Embedded("skimage", f"data/{name}", "scikit-image"), size, sha256)


def _sklearn(name: str, size: int, sha256: str) -> RawFile:
    return RawFile(name, Embedded("sklearn", f"datasets/images/{name}", "scikit-learn"), size, sha256)


_SHOWN = (  # retina.jpg, two fifths of all pixels of scikit-image, is left out: it is nearly black and not sharp
    _skimage("astronaut.png", 791_555, "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    _skimage("brick.png", 106_634, "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
    _skimage("camera.png", 139_512, "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
    _sklearn("flower.jpg", 142_987, "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
    _skimage("grass.png", 217_893, "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    _skimage("gravel.png", 194_247, "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
    _skimage("hubble_deep_field.jpg", 527_940, "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
    _skimage("ihc.png", 477_916, "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
    _skimage("motorcycle_left.png", 644_701, "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    _skimage("motorcycle_right.png", 640_373, "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797"),
    _skimage("rocket.jpg", 112_525, "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
)
_HELD_OUT = (
    _skimage("chelsea.png", 240_512, "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    _sklearn("china.jpg", 196_653, "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
    _skimage("coffee.png", 466_706, "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
)

_SPLITS = (*(("train", file.name) for file in _SHOWN), *(("test", file.name) for file in _HELD_OUT))

PHOTOGRAPHS = Dataset(
    name="photographs",
    title="14 photographs in tiles, and each smaller",
    fields=TILES,
    count=None,
    source="sample pictures of scikit-image and scikit-learn; test: chelsea, china, coffee; train: the other sharp "
    "photographs",
    licence="china, flower: CC BY 2.0 by danielbuechele and vultilion; the motorcycles: none stated, for research; all "
    "others: public domain or CC0, as scikit-image says",
    citation="van der Walt et al.: scikit-image: image processing in Python. PeerJ 2:e453, 2014; Pedregosa et al.: "
    "Scikit-learn: machine learning in Python. JMLR 12, 2011; Scharstein et al.: High-resolution stereo datasets with "
    "subpixel-accurate ground truth. GCPR 2014 (the motorcycles)",
    transform=TILES_TRANSFORM,
    files=(*_SHOWN, *_HELD_OUT),
    layout=Tiles(_SPLITS),
    terms="see licence",
    size=96,
)

_MATE = "https://raw.githubusercontent.com/mate-desktop/mate-backgrounds/"
_ELEPHANTS = RawFile(
    "Elephants.jpg",
    Published(tuple(f"{_MATE}{version}/abstract/Elephants.jpg" for version in ("v1.26.0", "master"))),
    1_028_192,
    "b402668de7212c568090edc032288759029e15e5153f3ae43f079abfd44105a4",
)

PHOTOGRAPHS_PAINTING = Dataset(
    name="photographs-painting",
    title="14 photographs in tiles (a), one painting in squares (b)",
    fields=UNPAIRED,
    count=None,
    source=f"a: {PHOTOGRAPHS.source}; b: Elephants.jpg of mate-backgrounds, which Debian has as a package of this name",
    licence=f"a: {PHOTOGRAPHS.licence}; b: Elephants by Wyng Stancikaite, 2020, GPL-2 or later",
    citation=f"{PHOTOGRAPHS.citation}; Wyng Stancikaite: Elephants, in mate-backgrounds, 2020, "
    "https://github.com/mate-desktop/mate-backgrounds",
    transform=STYLE_TRANSFORM,
    files=(*PHOTOGRAPHS.files, _ELEPHANTS),
    layout=StyleTiles((*(("a", *place) for place in _SPLITS), ("b", "train", _ELEPHANTS.name))),
    terms="see licence",
    size=128,
)
