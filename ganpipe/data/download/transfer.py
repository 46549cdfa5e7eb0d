"""Downloads that end whole and verified, or with one line: resumed, tried again, from one mirror after the other."""

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
from ganpipe.data.download.partial import Note, Part
from ganpipe.data.download.verify import Finding, examine
from ganpipe.errors import DataError
from ganpipe.files import require_space, settle
from ganpipe.progress import progress

ATTEMPTS = 6
"""So many failures in a row, none of which got the file further, and an address is given up."""
BACKOFF_SECONDS = 1.0  # before the second attempt; then doubled each time
MAX_BACKOFF_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 300.0  # a server that asks for more than this is given up

_STEP = 1 << 20  # bytes, or one percent of the file: what counts as getting further
_BOMB = 2  # a compressed file is never so many times as long as what it expands to


class Download:
    """One file on its way to `path`, which it gets only when it was examined.

    `tolerant` accepts whatever a server calls the file, as long as it is whole and no web page.
    """

    def __init__(self, file: RawFile, path: Path, tolerant: bool) -> None:
        self._file, self._path, self._tolerant = file, path, tolerant
        self._part = Part(path)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"ganpipe/{__version__}", "Accept-Encoding": "identity"})
        self._session.max_redirects = 10
        self._size = None if tolerant or file.content else file.size  # the only size that will do
        self._at_most = self._size
        if file.content and not tolerant:
            self._at_most = _BOMB * file.content.size

    def run(self, urls: Sequence[str], advice: str) -> Finding:
        """Try one address after the other; raise `DataError` with what each said, and `advice`."""
        problems = []
        with self._session:
            for url in urls:
                try:
                    return self._from(url)
                except Refused as problem:
                    problems.append(f"{urlsplit(url).hostname}: {problem}")
        raise DataError(f"{self._file.name} could not be downloaded: {'; '.join(problems)}; {advice}")

    def _from(self, url: str) -> Finding:
        """Try one address until the whole file is there or the address is given up."""
        patience, spoilt = _Patience(self._file.name, self._part), False
        while True:
            try:
                self._transfer(url)
            except Cut as cut:
                if isinstance(cut, Stale):
                    self._part.discard()
                patience.lose(cut)
                continue
            finding = examine(self._part.path, self._file)
            problem = finding.problem(self._tolerant)
            if problem is None:
                settle(self._part.path, self._path)
                self._part.discard()
                return finding
            self._part.discard()
            if spoilt:
                raise Refused(problem)
            print(f"{self._file.name}: what came {problem}; fetching it anew", file=sys.stderr, flush=True)
            spoilt = True

    def _transfer(self, url: str) -> None:
        """Ask once for what is missing and receive it."""
        note = self._part.note
        have = self._usable(url, note)
        if have and note and have == note.size:
            return  # a process was killed after the last byte
        validator = note.validator if note and note.url == url else None
        with ask(self._session, url, have, validator) as answer:
            if note and answer.start:
                self._check_continuation(answer, note, validator)
            self._check_size(answer)
            if not answer.start:
                self._part.begin(Note(url, answer.validator, self._whole(answer)))
            require_space(self._path.parent, (self._whole(answer) or self._at_most or 0) - answer.start)
            self._receive(answer)

    def _usable(self, url: str, note: Note | None) -> int:
        """Return how many bytes of an earlier attempt can be continued.

        Where the content is known, any beginning may be tried: a wrong one is found out at the end. Otherwise it must
        be known to belong to the same file.
        """
        have = self._part.have
        if note is None or (note.size is not None and have > note.size):
            return 0
        return have if not self._tolerant or (note.url == url and note.validator) else 0

    def _check_continuation(self, answer: Answer, note: Note, validator: str | None) -> None:
        resized = None not in (answer.total, note.size) and answer.total != note.size
        changed = None not in (answer.validator, validator) and answer.validator != validator
        if resized or changed:
            raise Stale("the file has changed since its beginning came")

    def _check_size(self, answer: Answer) -> None:
        if self._size is not None and answer.total not in (None, self._size):
            raise Refused(f"offers {answer.total} bytes instead of {self._size}")
        if self._at_most is not None and (answer.total or 0) > self._at_most:
            raise Refused(f"offers {answer.total} bytes, more than {self._at_most}")
        if self._tolerant and not answer.ends:
            raise Refused("does not say how long the file is, so that a cut connection would go unnoticed")

    def _receive(self, answer: Answer) -> None:
        """Append what comes to the part; raise `Cut` or `Refused` where that is less or more than it should be."""
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
        """Return how many bytes the whole file has, as far as that is known."""
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


class _Patience:
    """Decides how often and after what pauses an address is asked again."""

    def __init__(self, name: str, part: Part) -> None:
        self._name, self._part = name, part
        self._failures, self._furthest = 0, part.have

    def lose(self, cut: Cut) -> None:
        """Pause after a failure; raise `Refused` when there were too many since the file last got further."""
        have, note = self._part.have, self._part.note
        step = min(_STEP, note.size // 100) if note and note.size else _STEP
        self._failures = 1 if have >= self._furthest + max(1, step) else self._failures + 1
        self._furthest = max(have, self._furthest)
        if cut.wait > MAX_RETRY_AFTER_SECONDS:
            raise Refused(f"{cut}, ask again in {cut.wait:.0f} s")
        if self._failures >= ATTEMPTS:
            raise Refused(f"{cut} ({ATTEMPTS} times in a row)")
        pause = max(cut.wait, min(BACKOFF_SECONDS * 2 ** (self._failures - 1), MAX_BACKOFF_SECONDS))
        print(f"{self._name}: {cut}; trying again in {pause:.0f} s", file=sys.stderr, flush=True)
        time.sleep(pause)
