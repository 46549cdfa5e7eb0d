"""Emoji as drawings from npm packages: captioned, in lines, in colours, shaded, by several vendors, in skin tones."""

from __future__ import annotations

from ganpipe.data.catalogue.dataset import Dataset, RawField, RawFile
from ganpipe.data.catalogue.drawings import (
    EmojiCaptions,
    EmojiPairs,
    EmojiStyles,
    EmojiTexts,
    EmojiTones,
    IconSet,
    OpenMojiPairs,
)
from ganpipe.data.catalogue.origins import NpmPackage

TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
"""The skin tones of Unicode, whose numbers in emojibase are 1 to 5. Yellow, without any, is none of them."""
NO_TONE, TWO_TONES = "no tone", "two tones"

GROUPS = (
    "smileys-emotion", "people-body", "component", "animals-nature", "food-drink", "travel-places", "activities",
    "objects", "symbols", "flags",
)  # fmt: skip
"""The groups of emoji in Unicode, by their numbers in emojibase."""

HAIR = ("red hair", "curly hair", "white hair", "blond hair", "bald")
GENDERS = ("woman", "man")
"""By their numbers in emojibase."""

ATTRIBUTES = (
    *(group for group in GROUPS if group != "component"),
    *(f"{tone} skin tone" for tone in TONES),
    *GENDERS,
    *HAIR,
)

_SIZE = 64  # pixels
_LONGEST = 11  # words and marks of the longest name

_TWEMOJI = IconSet("Twemoji", "twemoji-icons.json", "twemoji-chars.json")
_NOTO = IconSet("Noto", "noto-icons.json", "noto-chars.json")
_FLUENT = IconSet("Fluent", "fluent-flat-icons.json", "fluent-flat-chars.json")
_OPENMOJI = IconSet("OpenMoji", "openmoji-icons.json", "openmoji-chars.json")
_VENDORS = (_TWEMOJI, _NOTO, _FLUENT, _OPENMOJI)
_VENDOR_NAMES = tuple(one.vendor for one in _VENDORS)

_NAMES = "emojibase-en.json"
_LINES = "fluent-line-icons.json"
_SHADED = "fluent-shaded-icons.json"
_PACKAGE = "openmoji-17.0.0.tgz"

_FILES = {
    name: RawFile(name, NpmPackage(spec.rpartition("@")[0], spec.rpartition("@")[2], member), size, sha256)
    for name, spec, member, size, sha256 in (
        (
            _TWEMOJI.icons, "@iconify-json/twemoji@1.2.5", "icons.json", 10_187_099,
            "5d5d820790565b764f2728675d487c9ee4c1fc83916d8567d5aca8ba7527c242",
        ),
        (
            _TWEMOJI.chars, "@iconify-json/twemoji@1.2.5", "chars.json", 199_063,
            "8e6a83d5a3ac185b2446154b9c4ee07c983bd4a5b2a21aa4b9ff04af9831eefe",
        ),
        (
            _NOTO.icons, "@iconify-json/noto@1.2.9", "icons.json", 25_233_364,
            "9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6",
        ),
        (
            _NOTO.chars, "@iconify-json/noto@1.2.9", "chars.json", 189_666,
            "91485653ca890bff640f2a6c2d7be62d625a90527b6b4d816b41593675bf5c8f",
        ),
        (
            _FLUENT.icons, "@iconify-json/fluent-emoji-flat@1.2.6", "icons.json", 8_958_092,
            "f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63",
        ),
        (
            _FLUENT.chars, "@iconify-json/fluent-emoji-flat@1.2.6", "chars.json", 122_756,
            "7f084c5a95807edb4702a7c9f6f18e74d59026d1c34ceb8cae85df0b9a9f0a10",
        ),
        (
            _OPENMOJI.icons, "@iconify-json/openmoji@1.2.29", "icons.json", 9_079_991,
            "7075331faab544067dbff4236471dd378bb5410aa05799a8a343c9ebf5c5984c",
        ),
        (
            _OPENMOJI.chars, "@iconify-json/openmoji@1.2.29", "chars.json", 215_789,
            "8583c4c65723c22c043a50a27038c43d3d12de336ad409872b23356f4c3e3825",
        ),
        (
            _LINES, "@iconify-json/fluent-emoji-high-contrast@1.2.6", "icons.json", 2_765_031,
            "c522fb74fef65ccef67b38dfdbf0f3dcd4353339e4b8faec4aa45faf83ed4739",
        ),
        (
            _SHADED, "@iconify-json/fluent-emoji@1.2.7", "icons.json", 103_664_935,
            "87f3336be6f46747d40d046a15ffa8b23809ff7a1a280b5d3521d3782fb85de7",
        ),
        (
            _NAMES, "emojibase-data@17.0.0", "en/data.json", 775_157,
            "ed014f1049bd370c5794f815850156196ac382850f51c3e9f6a9e83553fb3f01",
        ),
        (
            _PACKAGE, "openmoji@17.0.0", None, 4_339_458,
            "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
        ),
    )
}  # fmt: skip

_TWEMOJI_BY = "Twemoji: Twitter and contributors, CC BY 4.0"
_NOTO_BY = "Noto Emoji: Google, Apache-2.0"
_FLUENT_BY = "Fluent Emoji: Microsoft, MIT"
_OPENMOJI_BY = "OpenMoji: HfG Schwäbisch Gmünd and contributors, CC BY-SA 4.0"
_NAMES_BY = "English names: emojibase by Miles Johnson, MIT, after the Unicode CLDR"
_ALL_BY = "; ".join((_TWEMOJI_BY, _NOTO_BY, _FLUENT_BY, _OPENMOJI_BY, _NAMES_BY))

_UNICODE = "Unicode Technical Standard #51: Unicode Emoji, https://www.unicode.org/reports/tr51"
_CITE_FLUENT = "Microsoft: Fluent Emoji, 2022, https://github.com/microsoft/fluentui-emoji"
_CITE_TWEMOJI = "Twitter and contributors: Twemoji, https://github.com/jdecked/twemoji"
_CITE_NOTO = "Google: Noto Emoji, https://github.com/googlefonts/noto-emoji"
_CITE_OPENMOJI = "Groß, Utz and the OpenMoji contributors: OpenMoji, 2018, https://openmoji.org"
_CITE_ALL = "; ".join((_CITE_TWEMOJI, _CITE_NOTO, _CITE_FLUENT, _CITE_OPENMOJI, _UNICODE))

_PAIR = {name: RawField("image", None) for name in ("a", "b")}


_DRAWN = f"drawn at {_SIZE} x {_SIZE} by resvg, over white"
_OF_ALL_VENDORS = tuple(
    _FILES[name] for name in (_NAMES, *(file for one in _VENDORS for file in (one.icons, one.chars)))
)

EMOJI = Dataset(
    name="emoji",
    title="3,139 emoji by four vendors, with their English names",
    fields={
        "image": RawField("image", None),
        "label": RawField("label", names=_VENDOR_NAMES),
        "caption": RawField("tokens", (_LONGEST,)),
        "attributes": RawField("attributes", (len(ATTRIBUTES),), ATTRIBUTES),
    },
    count=12_556,
    source="npm packages of Iconify, and emojibase-data for the names; test is a tenth of the names with all their "
    "skin tones, valid a tenth of the skin tones of the other names",
    licence=_ALL_BY,
    citation=_CITE_ALL,
    transform=_DRAWN,
    files=_OF_ALL_VENDORS,
    layout=EmojiCaptions(_NAMES, _VENDORS),
    splits=(("train", 10_800), ("valid", 560), ("test", 1196)),
    terms="by vendor",
    size=_SIZE,
    counterparts=("caption",),
)

EMOJI_CAPTIONS = Dataset(
    name="emoji-captions",
    title="3,139 emoji by four vendors, with captions for text to image",
    fields={
        "image": RawField("image", None),
        "caption": RawField("text"),
        "swapped": RawField("text"),
        "label": RawField("label", names=_VENDOR_NAMES),
        "subject": RawField("label", names=tuple(group for group in GROUPS if group != "component")),
        "tone": RawField("label", names=(NO_TONE, *TONES, TWO_TONES)),
    },
    count=12_556,
    source="npm packages of Iconify, and emojibase-data for the names; test is a tenth of the names with all their "
    "skin tones, valid a tenth of the skin tones of the other names; `swapped` is the caption of another emoji of the "
    "same split with another vendor or skin tone",
    licence=_ALL_BY,
    citation=_CITE_ALL,
    transform=_DRAWN,
    files=_OF_ALL_VENDORS,
    layout=EmojiTexts(_NAMES, _VENDORS),
    splits=(("train", 10_800), ("valid", 560), ("test", 1196)),
    terms="by vendor",
    size=_SIZE,
)

EMOJI_LINES = Dataset(
    name="emoji-lines",
    title="1,594 pairs of Fluent emoji: in one colour, in flat colours",
    fields=_PAIR,
    count=1594,
    source="npm packages of Iconify; test is a tenth of the names",
    licence=_FLUENT_BY,
    citation=_CITE_FLUENT,
    transform=_DRAWN,
    files=(_FILES[_LINES], _FILES[_FLUENT.icons]),
    layout=EmojiPairs(_LINES, _FLUENT.icons),
    splits=(("train", 1435), ("test", 159)),
    terms="MIT",
    size=_SIZE,
)

OPENMOJI_LINES = Dataset(
    name="openmoji-lines",
    title="2,132 pairs of OpenMoji: in black lines, in colours",
    fields=_PAIR,
    count=2132,
    source="the npm package of OpenMoji; test is a tenth of the names",
    licence=_OPENMOJI_BY,
    citation=_CITE_OPENMOJI,
    transform=_DRAWN,
    files=(_FILES[_PACKAGE],),
    layout=OpenMojiPairs(_PACKAGE),
    splits=(("train", 1919), ("test", 213)),
    terms="CC BY-SA 4.0",
    size=_SIZE,
)

EMOJI_SHADING = Dataset(
    name="emoji-shading",
    title="3,174 pairs of Fluent emoji: in flat colours, shaded",
    fields=_PAIR,
    count=3174,
    source="npm packages of Iconify; test is a tenth of the names with all their skin tones",
    licence=_FLUENT_BY,
    citation=_CITE_FLUENT,
    transform=_DRAWN,
    files=(_FILES[_FLUENT.icons], _FILES[_SHADED]),
    layout=EmojiPairs(_FLUENT.icons, _SHADED),
    splits=(("train", 2860), ("test", 314)),
    terms="MIT",
    size=_SIZE,
)

EMOJI_STYLES = Dataset(
    name="emoji-styles",
    title="915 emoji by Twemoji, 915 by Noto; 160 are pairs, for the test",
    fields={name: RawField("image", None, space=name) for name in ("a", "b")},
    count=1830,
    source="npm packages of Iconify, and emojibase-data for the names; row i of a and row i of b are the same emoji "
    "in the split test, no emoji of a is in b in the split train",
    licence="; ".join((_TWEMOJI_BY, _NOTO_BY)),
    citation="; ".join((_CITE_TWEMOJI, _CITE_NOTO)),
    transform=_DRAWN,
    files=tuple(_FILES[name] for name in (_NAMES, _TWEMOJI.icons, _TWEMOJI.chars, _NOTO.icons, _NOTO.chars)),
    layout=EmojiStyles(_NAMES, _TWEMOJI, _NOTO, held_out=160),
    splits=(("train", 1510), ("test", 320)),
    terms="by vendor",
    size=_SIZE,
    aligned=("test",),
)

EMOJI_TONES = Dataset(
    name="emoji-tones",
    title="309 people in six skin tones by four vendors",
    fields={
        "image": RawField("image", None),
        "label": RawField("label", names=(NO_TONE, *TONES)),
        "vendor": RawField("label", names=_VENDOR_NAMES),
        "person": RawField("label"),
    },
    count=7416,
    source="npm packages of Iconify, and emojibase-data for the names; test is a tenth of the people",
    licence=_ALL_BY,
    citation=_CITE_ALL,
    transform=_DRAWN,
    files=_OF_ALL_VENDORS,
    layout=EmojiTones(_NAMES, _VENDORS),
    splits=(("train", 6696), ("test", 720)),
    terms="by vendor",
    size=_SIZE,
    counterparts=("vendor", "person"),
)

EMOJI_SETS = (EMOJI, EMOJI_CAPTIONS, EMOJI_LINES, OPENMOJI_LINES, EMOJI_SHADING, EMOJI_STYLES, EMOJI_TONES)
