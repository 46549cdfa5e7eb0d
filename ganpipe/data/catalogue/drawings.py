"""Layouts of sets that consist of drawings (SVG), from which packing makes pictures of any size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IconSet:
    """The drawings of one vendor, in the JSON of Iconify.

    `icons` has the drawing of each icon name, `chars` the icon name of each sequence of Unicode code points.
    """

    vendor: str
    icons: str
    chars: str


@dataclass(frozen=True)
class EmojiCaptions:
    """Drawings of the same emoji by several vendors, and a table with their English names.

    `table` is emojibase's data.json. The emoji are those that the table names and all vendors have drawn.
    """

    table: str
    sets: tuple[IconSet, ...]


@dataclass(frozen=True)
class EmojiTexts:
    """The drawings of `EmojiCaptions`, with texts that name emoji and vendor, and texts with one part swapped.

    `table` is emojibase's data.json.
    """

    table: str
    sets: tuple[IconSet, ...]


@dataclass(frozen=True)
class EmojiTones:
    """Drawings of people by several vendors in all six skin tones, and a table of what is which tone of whom.

    `table` is emojibase's data.json. The people are those that every vendor has drawn in every tone.
    """

    table: str
    sets: tuple[IconSet, ...]


@dataclass(frozen=True)
class EmojiStyles:
    """Drawings by two vendors, of different emoji but for those of the split test, and a table with their names.

    `table` is emojibase's data.json. Flags and skin tones are left out. `held_out` emoji are the split test: both
    vendors' drawings, in the same order. Of the others every second is taken from `a`, the rest from `b`.
    """

    table: str
    a: IconSet
    b: IconSet
    held_out: int


@dataclass(frozen=True)
class EmojiPairs:
    """Drawings of the same name in two files of Iconify's JSON, which are a pair: the fields a and b."""

    a: str
    b: str


@dataclass(frozen=True)
class OpenMojiPairs:
    """OpenMoji's own package: a drawing in lines (a) and one in colours (b) of each emoji, as SVG files.

    `archive` is the tar file of the package. Skin tones, flags and components are left out.
    """

    archive: str


Drawings = EmojiCaptions | EmojiTexts | EmojiTones | EmojiStyles | EmojiPairs | OpenMojiPairs
