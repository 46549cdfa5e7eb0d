"""A real HTTP server on 127.0.0.1 that serves one file and misbehaves as its script says, request after request."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUOTA = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>Too many users</body></html>"
)


@dataclass(frozen=True)
class Reply:
    """How to answer one request; the defaults are those of a good server."""

    status: int | None = None  # None: 200, or 206 to a range
    content: bytes | None = None  # None: that of the server
    cut: float | None = None  # close the connection after this share of what is to be sent
    stall: float = 0.0  # seconds of silence at the cut
    flip: float | None = None  # spoil the byte at this share of the body
    ranges: bool = True  # False: ignore Range
    shift: int = 0  # bytes to start a range too late
    span: str | None = None  # Content-Range to claim
    etag: str | None = '"1"'
    length: int | None = -1  # Content-Length to claim; -1: the true one, None: none
    chunked: bool = False
    pace: float = 0.0  # seconds between pieces of 1/50 of the body
    headers: dict[str, str] = field(default_factory=dict)
    garbage: bytes | None = None  # send this instead of any answer, and close the connection


GOOD = Reply()
Script = Callable[[int, str], Reply]


class FaultServer(ThreadingHTTPServer):
    """Serves `content` under every path; the n-th request (from 0) is answered as `script(n, path)` says."""

    daemon_threads = True

    def __init__(self, content: bytes, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.script = content, script
        self.requests: list[tuple[str, str | None]] = []  # path and Range of each
        self.sent = 0  # bytes of bodies
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def serving(content: bytes, *replies: Reply, script: Script | None = None) -> Iterator[FaultServer]:
    """Serve in a thread. The last of `replies` answers all further requests."""
    server = FaultServer(content, script or (lambda n, path: replies[min(n, len(replies) - 1)] if replies else GOOD))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:  # noqa: N802
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append((self.path, self.headers.get("Range")))
        reply = self.server.script(number, self.path)
        if reply.garbage is not None:
            self.wfile.write(reply.garbage)
            time.sleep(reply.stall)
            self.close_connection = True
            return
        body, status, headers = self._answer(reply)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(body, reply)

    def _answer(self, reply: Reply) -> tuple[bytes, int, dict[str, str]]:
        content = self.server.content if reply.content is None else reply.content
        headers = {"Content-Type": "application/octet-stream"}
        if reply.etag:
            headers["ETag"] = reply.etag
        start = self._start(reply)
        body, status = content, reply.status or 200
        if start is not None and start >= len(content):
            body, status = b"", 416
        elif start is not None:
            body, status = content[start + reply.shift :], 206
            headers["Content-Range"] = reply.span or f"bytes {start + reply.shift}-{len(content) - 1}/{len(content)}"
        if reply.flip is not None:
            at = int(reply.flip * (len(body) - 1))
            body = body[:at] + bytes([body[at] ^ 0x40]) + body[at + 1 :]
        if reply.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.length is not None:
            headers["Content-Length"] = str(len(body) if reply.length == -1 else reply.length)
        else:
            headers["Connection"] = "close"
        return body, status, headers | reply.headers

    def _start(self, reply: Reply) -> int | None:
        """Return where the range begins that this request will get, or None for the whole file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not reply.ranges or reply.status not in (None, 206):
            return None
        condition = self.headers.get("If-Range")
        return int(asked[1]) if condition in (None, reply.etag) or reply.status == 206 else None

    def _send(self, body: bytes, reply: Reply) -> None:
        end = len(body) if reply.cut is None else int(reply.cut * len(body))
        step = max(1, len(body) // 50) if reply.pace else max(1, end)
        for at in range(0, end, step):
            self._write(body[at : min(at + step, end)], reply.chunked)
            time.sleep(reply.pace)
        if reply.cut is not None:
            self.wfile.flush()
            time.sleep(reply.stall)
            self.close_connection = True
        elif reply.chunked:
            self.wfile.write(b"0\r\n\r\n")
        if reply.length is not None and reply.length > len(body):
            self.close_connection = True

    def _write(self, piece: bytes, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        with self.server.lock:
            self.server.sent += len(piece)
