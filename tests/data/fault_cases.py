"""Everything that a server has been seen to do wrong: what passes when it is asked again, and what lasts."""

from __future__ import annotations

from email.utils import formatdate

from data.fault_server import GOOD, QUOTA, Reply

FORM = (
    b'<html><body><form id="search"><input name="q" value="no"></form><form id="download-form" action="/confirmed?a=1" '
    b'method="get"><input type="submit" value="Go"><input type="hidden" name="id" value="x&amp;y">'
    b'<input type="hidden" name="confirm" value="t"></form></body></html>'
)
HTML = {"Content-Type": "text/html; charset=utf-8"}

CURED: dict[str, list[Reply]] = {
    "good": [GOOD],
    "chunked": [Reply(chunked=True)],
    "without a length": [Reply(length=None)],
    "no ETag": [Reply(cut=0.5, etag=None), Reply(etag=None)],
    "weak ETag": [Reply(cut=0.5, etag='W/"1"'), Reply(etag='W/"1"')],
    "cut at once": [Reply(cut=0), GOOD],
    "cut at 1%": [Reply(cut=0.01), GOOD],
    "cut at 50%": [Reply(cut=0.5), GOOD],
    "cut at 99%": [Reply(cut=0.99), GOOD],
    "cut chunk": [Reply(cut=0.5, chunked=True), Reply(chunked=True)],
    "cut without a length": [Reply(cut=0.5, length=None), GOOD],
    "cut at every 30% of the rest": [Reply(cut=0.3)] * 12 + [GOOD],
    "stall": [Reply(cut=0.4, stall=0.8), GOOD],
    "no answer": [Reply(garbage=b"", stall=0.8), GOOD],
    "closed without an answer": [Reply(garbage=b""), GOOD],
    "no HTTP": [Reply(garbage=b"SSH-2.0-OpenSSH_9.6\r\n"), GOOD],
    "corrupt byte": [Reply(flip=0.3), GOOD],
    "corrupt byte before a cut": [Reply(flip=0.2, cut=0.6), GOOD, GOOD],
    "Range ignored": [Reply(cut=0.6), Reply(ranges=False)],
    "another range": [Reply(cut=0.6), Reply(shift=100), GOOD],
    "a range that lies": [Reply(cut=0.6), Reply(shift=100, span="bytes 96076-160127/160128"), GOOD, GOOD],
    "a range that is none": [Reply(cut=0.6), Reply(span="the rest"), GOOD],
    "range of a longer file": [Reply(cut=0.5), Reply(span="bytes 80064-170000/170001"), GOOD],
    "416 to a good range": [Reply(cut=0.5), Reply(status=416), GOOD],
    "408": [Reply(status=408), GOOD],
    "429 without a time": [Reply(status=429), GOOD],
    "429 for no time": [Reply(status=429, headers={"Retry-After": "0"}), GOOD],
    "429 until a past date": [Reply(status=429, headers={"Retry-After": formatdate(0, usegmt=True)}), GOOD],
    "503 with nonsense": [Reply(status=503, headers={"Retry-After": "soon"}), GOOD],
    "500, 502, 503, 504": [Reply(status=status) for status in (500, 502, 503, 504)] + [GOOD],
    "HTML of a 502": [Reply(status=502, content=QUOTA, headers=HTML), GOOD],
    "data called HTML": [Reply(headers=HTML)],
    "data called encoded": [Reply(headers={"Content-Encoding": "gzip"})],
    "redirect": [Reply(status=302, content=b"", headers={"Location": "/elsewhere"}), GOOD],
    "a question": [Reply(content=FORM, headers=HTML), GOOD],
    "a question before the rest": [Reply(cut=0.5), Reply(content=FORM, headers=HTML), GOOD],
    "slow": [Reply(pace=0.01)],
}
"""By case, how the requests are answered one after the other; the last answer makes the file whole."""

FATAL: dict[str, tuple[Reply, str]] = {
    "401": (Reply(status=401), "401 Unauthorized"),
    "403": (Reply(status=403), "403 Forbidden"),
    "404": (Reply(status=404), "404 Not Found"),
    "404 in HTML": (Reply(status=404, content=QUOTA, headers=HTML), "404 Not Found"),
    "204": (Reply(status=204, content=b""), "204 No Content"),
    "206 unasked": (Reply(status=206), "sends a piece"),
    "500 for ever": (Reply(status=500), r"500 .* \(6 times in a row\)"),
    "503 for a day": (Reply(status=503, headers={"Retry-After": "86400"}), "503 .*ask again in at least 21600 s"),
    "cut at once, always": (Reply(cut=0), r"cut .*\(6 times"),
    "cut at 10%, no ranges": (Reply(cut=0.1, ranges=False), r"cut .*\(6 times"),
    "stall, always": (Reply(cut=0.1, stall=0.5, ranges=False), r"no answer in time \(6 times"),
    "closed, always": (Reply(garbage=b""), r"\(6 times"),
    "no HTTP": (Reply(garbage=b"220 ready\r\n"), r"\(6 times"),
    "redirects in a circle": (Reply(status=302, content=b"", headers={"Location": "/again"}), "in a circle"),
    "redirect to a file": (Reply(status=302, content=b"", headers={"Location": "file:///etc/passwd"}), "no address"),
    "redirect to nonsense": (Reply(status=302, content=b"", headers={"Location": "http://["}), "no address"),
    "quota page": (Reply(content=QUOTA, headers=HTML), r"HTML page \('Google Drive - Quota exceeded'\)"),
    "page called data": (Reply(content=b"\n<html>oops"), "HTML page, not the file"),
    "page of fragments": (Reply(content=b"<p>oops</p>", headers=HTML), "HTML page, not the file"),
    "the same question again": (Reply(content=FORM, headers=HTML), "same question"),
    "a question of another host": (
        Reply(content=FORM.replace(b"/confirmed", b"https://example.org/x"), headers=HTML),
        "HTML page",
    ),
    "empty": (Reply(content=b""), "offers 0 bytes instead of 160128"),
    "too short": (Reply(content=b"x" * 160_127), "offers 160127 bytes instead"),
    "too long": (Reply(content=b"x" * 160_129), "offers 160129 bytes instead"),
    "too long by its word": (Reply(length=10**12), "offers 1000000000000 bytes instead"),
    "too long, chunked": (Reply(content=b"x" * 700_000, chunked=True), "sends more than 160128 bytes"),
    "too short, chunked": (Reply(content=b"x" * 160_000, chunked=True), r"\(6 times"),
    "corrupt, always": (Reply(flip=0.9), "its content was changed"),
    "another file": (Reply(content=b"x" * 160_128), "its content was changed"),
}
"""By case, how every request is answered, and what the error line must say."""
