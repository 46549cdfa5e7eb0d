"""One request for the rest of a file. Tells answers that help from those that may help later and those that never will.

The library `requests` speaks HTTP, follows redirects, checks certificates and knows proxies.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import chain
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3

from ganpipe.data.download.verify import is_html

CONNECT_SECONDS = 15.0
STALL_SECONDS = 30.0
"""A request is given up when the server sends nothing, or less than `MIN_RATE`, for this long."""
MIN_RATE = 1000.0  # bytes per second

_BLOCK = 1 << 18  # bytes
_PAGE = 1 << 18  # bytes of a web page that are read
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PASSING = (408, 425, 429)  # statuses beside 5xx after which a second request may succeed


class Refused(Exception):  # noqa: N818  the answer of an address, not a defect
    """An address does not give the file, and asking again would not help; the message says why."""


class Cut(Exception):  # noqa: N818
    """An attempt failed for a reason that may pass; `wait` is the pause in seconds that the server asked for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Stale(Cut):
    """The partial file cannot be continued; a request for the whole file may succeed."""


@dataclass(frozen=True)
class Answer:
    """A server that is ready to send a file from byte `start` on."""

    start: int
    total: int | None  # bytes of the whole file; None: the server does not say
    validator: str | None  # ETag or date of the file
    ends: bool  # whether a cut connection can be told from the end of the file
    blocks: Iterator[bytes]


@contextmanager
def ask(session: requests.Session, url: str, have: int, validator: str | None) -> Iterator[Answer]:
    """Lend the answer to a request for the file from byte `have` on; `validator` is the ETag or date of those bytes.

    Where the file has another validator by now, or the server ignores ranges, the answer starts at byte 0. Raises
    `Refused`, `Cut` or `Stale`; so does reading its blocks.
    """
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and validator:
        headers["If-Range"] = validator
    response, first = _reply(session, url, headers)
    if question := _question(response, first):
        response.close()
        response, first = _reply(session, question, headers)
        if _question(response, first):
            raise Refused("answers a confirmed question with the same question")
    with response:
        start, total = _span(response, have)
        ends = total is not None or "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        yield Answer(start, total, _validator(response), ends, chain([first], _blocks(response)))


def _reply(session: requests.Session, url: str, headers: dict[str, str]) -> tuple[requests.Response, bytes]:
    """Return a response that brings a file or a page, with its first bytes."""
    try:
        response = session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, STALL_SECONDS))
    except requests.TooManyRedirects:
        raise Refused("redirects in a circle") from None
    except requests.exceptions.SSLError as error:
        raise Refused(f"its certificate is not accepted ({_reason(error)})") from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Cut(_reason(error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
        raise Refused("is no address that can be asked") from None
    try:
        _require_success(response, "Range" in headers)
        return response, _read(response)
    except Exception:
        response.close()
        raise


def _require_success(response: requests.Response, ranged: bool) -> None:
    status = response.status_code
    if status == 416 and ranged:
        raise Stale("has nothing beyond what came before")
    if status in _PASSING or status >= 500:
        raise Cut(f"{status} {response.reason}", _retry_after(response))
    if status not in (200, 203, 206):
        raise Refused(f"{status} {response.reason}")


def _retry_after(response: requests.Response) -> float:
    """Return the seconds to wait, from the number or the date in the header; 0 where there is none that can be read."""
    try:
        return float(urllib3.util.Retry().parse_retry_after(response.headers.get("Retry-After", "0")))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0


def _span(response: requests.Response, have: int) -> tuple[int, int | None]:
    """Return at which byte the body starts, and how long the whole file is."""
    if response.status_code != 206:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    if not have:
        raise Refused("sends a piece of the file when asked for all of it")
    span = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if span is None or int(span[1]) != have:
        raise Stale("sends another piece than the one it was asked for")
    return have, None if span[2] == "*" else int(span[2])


def _validator(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body block by block; raise `Cut` where the connection is cut, silent or slower than `MIN_RATE`."""
    since, received = time.monotonic(), 0
    while block := _read(response):
        yield block
        received += len(block)
        elapsed = time.monotonic() - since
        if elapsed > STALL_SECONDS:
            if received < MIN_RATE * elapsed:
                raise Cut(f"sends no more than {received / elapsed:.0f} bytes/s")
            since, received = time.monotonic(), 0


def _read(response: requests.Response) -> bytes:
    """Return the bytes received so far, at least one unless the body has ended.

    Not decoded: a server that calls a .gz file an encoding of something else must not have it expanded.
    """
    try:
        return response.raw.read1(_BLOCK, decode_content=False) or b""
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Cut(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """Return in a few words why a connection failed: the libraries wrap the cause in several exceptions."""
    links, link = [error], error
    while following := link.__cause__ or link.__context__:
        links.append(link := following)
    for link in links:
        if isinstance(link, socket.gaierror):
            return "the host name cannot be resolved (is this machine online?)"
        if isinstance(link, OSError) and link.strerror:
            return link.strerror.lower()
    timeouts = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
    return "no answer in time" if any(isinstance(link, timeouts) for link in links) else "the connection was cut"


# ----------------------------------------------------------------------------------------- web pages in place of a file


def _question(response: requests.Response, first: bytes) -> str | None:
    """Return the address behind the button of a page that asks for confirmation; None where the answer is a file.

    Google Drive asks for confirmation before it sends a file too large for its virus scan. Any other page is refused.
    """
    declared = response.headers.get("Content-Type", "").lower().startswith("text/html")
    if not (is_html(first) or (declared and first.lstrip().startswith(b"<"))):
        return None
    page = _Page()
    page.feed(_rest(response, first).decode("utf-8", "replace"))
    try:
        address = urljoin(response.url, page.action or "")
        elsewhere = urlsplit(address).netloc != urlsplit(response.url).netloc
    except ValueError:  # the page names what is no address
        elsewhere = True
    if page.action is None or elsewhere:
        title = " ".join(page.title.split())
        raise Refused("sends an HTML page" + (f" ({title[:80]!r})" if title else "") + ", not the file")
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(page.fields)}"


def _rest(response: requests.Response, first: bytes) -> bytes:
    pieces, size = [first], len(first)
    while size < _PAGE and (block := _read(response)):
        pieces.append(block)
        size += len(block)
    return b"".join(pieces)


class _Page(HTMLParser):
    """Collects the title of a page, and the address and hidden fields of its form called download-form."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "title" or tag == "form":
            self._inside = values.get("id", "") if tag == "form" else tag
        if tag == "form" and self._inside == "download-form":
            self.action = values.get("action", "")
        if tag == "input" and self._inside == "download-form" and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "form"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
