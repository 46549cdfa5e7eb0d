"""Words of others in lines, files and pages of ours: names of files that do harm, addresses that hold passwords."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/?#\s'\"]*@", re.IGNORECASE)
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # categories: control characters, halves of pairs, ends of lines and paragraphs
_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show what follows in another order than it is stored."""
_FORMULA = ("=", "+", "-", "@")


def printable(name: str) -> str:
    """Return a name that a terminal, a table and a page may show, the same one everywhere.

    Control characters, ends of lines, marks that turn the direction of writing, and bytes that are no UTF-8 become
    escapes: `\\n`, `\\x1b`, `\\u202e`, `\\xff`.
    """
    whole = name.encode("utf-8", "surrogateescape" if _is_of_bytes(name) else "backslashreplace")
    return "".join(map(_seen, whole.decode("utf-8", "backslashreplace")))


def cell(text: str) -> str:
    """Return a text for a cell of a table: printable, and nothing that a spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) and not _is_number(shown) else shown


def masked(text: str) -> str:
    """Return a text with the names and passwords in its addresses masked: `https://***@host/folder`."""
    return _USERINFO.sub(r"\1***@", text)


def one_line(text: str) -> str:
    """Return a text as one line for a terminal or a log: printable and masked, with blanks for ends of lines."""
    return printable(masked(" ".join(text.splitlines())))


def address(url: str) -> SplitResult:
    """Return the parts of an address of http or https. Raises `ValueError`, in a few words, for any other text."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        raise ValueError(f"is no address ({error})") from None
    if not known:
        raise ValueError("is no address of http:// or https://")
    return parts


def _is_of_bytes(name: str) -> bool:
    return all(not 0xD800 <= ord(character) <= 0xDFFF or 0xDC80 <= ord(character) <= 0xDCFF for character in name)


def _seen(character: str) -> str:
    if unicodedata.category(character) in _UNSEEN or character in _TURNS:
        return character.encode("unicode_escape").decode()
    return character


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
