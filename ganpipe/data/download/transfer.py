"""Downloads with resumption, retries and mirrors. A download ends with the verified file or with a one-line error."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests

from ganpipe import __version__
from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.download.http import Answer, Cut, Refused, Stale, ask
from ganpipe.data.download.partial import Part, ServedFile
from ganpipe.data.download.verify import Examined, examine
from ganpipe.errors import DataError
from ganpipe.files import require_space, settle
from ganpipe.progress import progress

ATTEMPTS = 6
"""An address is given up after this number of failures in a row that bring no further bytes."""
BACKOFF_SECONDS = 1.0  # before the second attempt; then doubled each time
MAX_BACKOFF_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 300.0  # a server that asks for more than this is given up

_STEP = 1 << 20  # bytes, or one percent of the file: less does not count as progress
_BOMB = 2  # a compressed file is always less than this many times as long as its expanded content


class Download:
    """Downloads one file. It gets its final name `path` only after it was verified.

    `tolerant` accepts other content than the published one, as long as it is complete and no web page.
    """

    def __init__(self, file: RawFile, path: Path, tolerant: bool) -> None:
        self._file, self._path, self._tolerant = file, path, tolerant
        self._part = Part(path)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"ganpipe/{__version__}", "Accept-Encoding": "identity"})
        self._session.max_redirects = 10
        self._size = None if tolerant or file.content else file.size  # the only size that is accepted; None: any
        self._at_most = self._size
        if file.content and not tolerant:
            self._at_most = _BOMB * file.content.size

    def run(self, urls: Sequence[str], advice: str) -> Examined:
        """Try one address after the other; raise `DataError` with the answer of each, and `advice`."""
        problems = []
        with self._session:
            for url in urls:
                try:
                    return self._from(url)
                except Refused as problem:
                    problems.append(f"{urlsplit(url).hostname}: {problem}")
        raise DataError(f"{self._file.name} could not be downloaded: {'; '.join(problems)}; {advice}")

    def _from(self, url: str) -> Examined:
        """Try one address until the whole file is there or the address is given up."""
        retries, spoilt = _Retries(self._file.name, self._part), False
        while True:
            try:
                self._transfer(url)
            except Cut as cut:
                if isinstance(cut, Stale):
                    self._part.discard()
                retries.pause(cut)
                continue
            examined = examine(self._part.path, self._file)
            problem = examined.problem(self._tolerant)
            if problem is None:
                settle(self._part.path, self._path)
                self._part.discard()
                return examined
            self._part.discard()
            if spoilt:
                raise Refused(problem)
            print(f"{self._file.name}: what came {problem}; fetching it anew", file=sys.stderr, flush=True)
            spoilt = True

    def _transfer(self, url: str) -> None:
        """Send one request for the missing bytes and receive the answer."""
        served = self._part.served
        have = self._usable(url, served)
        if have and served and have == served.size:
            return  # a process was killed after the last byte
        validator = served.validator if served and served.url == url else None
        with ask(self._session, url, have, validator) as answer:
            if served and answer.start:
                self._require_same_file(answer, served, validator)
            self._require_right_size(answer)
            if not answer.start:
                self._part.begin(ServedFile(url, answer.validator, self._whole(answer)))
            require_space(self._path.parent, (self._whole(answer) or self._at_most or 0) - answer.start)
            self._receive(answer)

    def _usable(self, url: str, served: ServedFile | None) -> int:
        """Return how many bytes of an earlier attempt can be continued.

        Where the published hash is known, bytes of any address are continued: the hash shows at the end if they were
        wrong. Otherwise they must belong to the same file at the same address.
        """
        have = self._part.have
        if served is None or (served.size is not None and have > served.size):
            return 0
        return have if not self._tolerant or (served.url == url and served.validator) else 0

    def _require_same_file(self, answer: Answer, served: ServedFile, validator: str | None) -> None:
        resized = None not in (answer.total, served.size) and answer.total != served.size
        changed = None not in (answer.validator, validator) and answer.validator != validator
        if resized or changed:
            raise Stale("the file has changed since its beginning came")

    def _require_right_size(self, answer: Answer) -> None:
        if self._size is not None and answer.total not in (None, self._size):
            raise Refused(f"offers {answer.total} bytes instead of {self._size}")
        if self._at_most is not None and (answer.total or 0) > self._at_most:
            raise Refused(f"offers {answer.total} bytes, more than {self._at_most}")
        if self._tolerant and not answer.ends:
            raise Refused("does not say how long the file is, so that a cut connection would go unnoticed")

    def _receive(self, answer: Answer) -> None:
        """Append the answer to the partial file; raise `Cut` or `Refused` where it is too short or too long."""
        try:
            have = self._store(answer)
        except OSError as error:
            raise DataError(f"{self._part.path}: cannot be written: {error.strerror}") from None
        if self._at_most is not None and have > self._at_most:
            self._part.discard()
            raise Refused(f"sends more than {self._at_most} bytes")
        if have != (self._whole(answer) or have):
            raise Cut("the connection was cut")

    def _whole(self, answer: Answer) -> int | None:
        """Return the size of the whole file in bytes; None: unknown."""
        return self._size if answer.total is None else answer.total

    def _store(self, answer: Answer) -> int:
        title = f"Downloading {self._file.name}"
        with (
            self._part.open(answer.start) as out,
            progress(title, self._whole(answer), "bytes", initial=answer.start) as bar,
        ):
            for block in answer.blocks:
                out.write(block)
                bar.advance(len(block))
                if self._at_most is not None and bar.done > self._at_most:
                    break
        return bar.done


class _Retries:
    """Decides how often an address is asked again, and after which pause."""

    def __init__(self, name: str, part: Part) -> None:
        self._name, self._part = name, part
        self._failures, self._furthest = 0, part.have

    def pause(self, cut: Cut) -> None:
        """Pause after a failure; raise `Refused` after too many failures without progress."""
        have, served = self._part.have, self._part.served
        step = min(_STEP, served.size // 100) if served and served.size else _STEP
        self._failures = 1 if have >= self._furthest + max(1, step) else self._failures + 1
        self._furthest = max(have, self._furthest)
        if cut.wait > MAX_RETRY_AFTER_SECONDS:
            raise Refused(f"{cut}, ask again in at least {cut.wait:.0f} s")
        if self._failures >= ATTEMPTS:
            raise Refused(f"{cut} ({ATTEMPTS} times in a row)")
        pause = max(cut.wait, min(BACKOFF_SECONDS * 2 ** (self._failures - 1), MAX_BACKOFF_SECONDS))
        print(f"{self._name}: {cut}; trying again in {pause:.0f} s", file=sys.stderr, flush=True)
        time.sleep(pause)
