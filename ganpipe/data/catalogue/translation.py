"""Published sets of pictures for translators: the pairs of pix2pix, and the sets without pairs of CycleGAN."""

from __future__ import annotations

from ganpipe.data.catalogue.dataset import Dataset, PairedFolders, RawField, RawFile, UnpairedFolders
from ganpipe.data.catalogue.origins import Published

_HOSTS = (
    "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/",
    "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/",
)
_PIX2PIX = "Isola, Zhu, Zhou, Efros: Image-to-image translation with conditional adversarial networks. CVPR 2017, "
_PIX2PIX += "arXiv:1611.07004"
_CYCLEGAN = "Zhu, Park, Isola, Efros: Unpaired image-to-image translation using cycle-consistent adversarial networks. "
_CYCLEGAN += "ICCV 2017, arXiv:1703.10593"
_IMAGENET = "photographs of ImageNet: for research and teaching, they belong to the people who took them"
_FLICKR = "photographs of Flickr, which belong to the people who took them; for research"
_SIZE = 256  # pixels

Lengths = tuple[int, int, int, int]
"""Pictures of trainA, trainB, testA and testB, as counted in the archive; the paper gives other numbers for some."""


def _set(
    name: str,
    title: str,
    lengths: Lengths,
    size: int,
    sha256: str,
    licence: str,
    citation: str,
    paired: bool,
    terms: str,
) -> Dataset:
    train_a, train_b, test_a, test_b = lengths
    train, test = (train_a, test_a) if paired else (train_a + train_b, test_a + test_b)
    spaces = dict.fromkeys("ab", "items") if paired else {"a": "a", "b": "b"}
    archive = f"{name}.zip"
    return Dataset(
        name=name,
        title=title,
        fields={field: RawField("image", None, space=space) for field, space in spaces.items()},
        count=train + test,
        source=f"{archive} of the authors of CycleGAN, https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix",
        licence=licence,
        citation=citation,
        transform=f"largest centre square, resized to {_SIZE} with antialiasing",
        files=(RawFile(archive, Published(tuple(host + archive for host in _HOSTS)), size, sha256),),
        layout=(PairedFolders if paired else UnpairedFolders)(archive),
        splits=(("train", train), ("test", test)),
        terms=terms,
        size=_SIZE,
    )


FACADES = _set(
    "facades",
    "506 pairs of facades: photograph (a), labels in colours (b)",
    (400, 400, 106, 106),
    35_135_868,
    "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
    "CMP Facade Database of the Center for Machine Perception, Prague: for research",
    "Tylecek, Sara: Spatial pattern templates for recognition of objects with regular structure. GCPR 2013; as pairs: "
    + _PIX2PIX,
    paired=True,
    terms="research only",
)

MAPS = _set(
    "maps",
    "2,194 pairs of places: aerial photograph (a), map (b)",
    (1096, 1096, 1098, 1098),
    1_476_754_427,
    "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
    "taken from Google Maps, whose terms hold; for research",
    _PIX2PIX,
    paired=True,
    terms="research only",
)

HORSE2ZEBRA = _set(
    "horse2zebra",
    "1,187 photographs of horses, 1,474 of zebras, no pairs",
    (1067, 1334, 120, 140),
    116_867_962,
    "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    _IMAGENET,
    _CYCLEGAN,
    paired=False,
    terms="research only",
)

APPLE2ORANGE = _set(
    "apple2orange",
    "1,261 photographs of apples, 1,267 of oranges, no pairs",
    (995, 1019, 266, 248),
    78_456_409,
    "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    _IMAGENET,
    _CYCLEGAN,
    paired=False,
    terms="research only",
)

SUMMER2WINTER = _set(
    "summer2winter_yosemite",
    "1,540 photographs of Yosemite in summer, 1,200 in winter",
    (1231, 962, 309, 238),
    132_640_856,
    "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
    _FLICKR,
    _CYCLEGAN,
    paired=False,
    terms="none stated",
)

MONET2PHOTO = _set(
    "monet2photo",
    "1,193 paintings by Monet, 7,038 photographs, no pairs",
    (1072, 6287, 121, 751),
    305_231_073,
    "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    f"paintings: public domain, from WikiArt; {_FLICKR}",
    _CYCLEGAN,
    paired=False,
    terms="none stated",
)

VANGOGH2PHOTO = _set(
    "vangogh2photo",
    "400 paintings by van Gogh, for the test too, 7,038 photographs",
    (400, 6287, 400, 751),
    306_590_349,
    "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
    f"paintings: public domain, from WikiArt; {_FLICKR}",
    _CYCLEGAN,
    paired=False,
    terms="none stated",
)

TRANSLATION = (FACADES, MAPS, HORSE2ZEBRA, APPLE2ORANGE, SUMMER2WINTER, MONET2PHOTO, VANGOGH2PHOTO)
