"""A file server on loopback that misbehaves by script, for tests of everything that downloads.

Without faults it is a correct server of whole files and byte ranges. Each fault changes one answer; the
faults of a path are used up one request at a time, then the server is correct again.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import re
import socket
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Answer", "FileServer"]


@dataclasses.dataclass
class Answer:
    """What is about to be sent; a fault is a function that changes one in place.

    ``files`` are those of the server, to be changed for later answers. ``cut`` and ``stall`` are offsets in
    the body, or in head and body if ``in_head``: there the connection closes (with a reset if ``reset``) or
    falls silent. From ``slow`` on, one byte comes every hundredth of a second. ``endless`` is sent after the
    body until the client leaves.
    """

    files: dict
    path: str
    request: dict
    status: int
    headers: dict
    body: bytes
    cut: int | None = None
    stall: int | None = None
    slow: int | None = None
    endless: bytes = b""
    reset: bool = False
    in_head: bool = False


class FileServer:
    """Serve ``files`` (path -> bytes) on an ephemeral port of 127.0.0.1, as a context manager.

    A function in place of bytes makes them from the form that was posted.

    ``faults`` (path -> list of functions of an `Answer`) are applied in order, one a request; ``log`` keeps
    ``(path, Range header or None, status)`` a request, ``busiest`` the most requests served at once.
    """

    def __init__(self, files=None, faults=None, delay=0.0):
        self.files = dict(files or {})
        self.faults = {path: list(script) for path, script in (faults or {}).items()}
        self.delay, self.log, self.busiest, self.injected = delay, [], 0, 0
        self.overflow = 0  # bytes sent after the end of a body
        self.lock, self.silence, self._busy = threading.Lock(), threading.Event(), 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server._serve(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server._serve(self, dict(urllib.parse.parse_qsl(body)))

            def log_message(self, *args):
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._httpd.server_port}"

    def __enter__(self):
        # the default poll of 0.5 s would be most of a test's time
        threading.Thread(target=self._httpd.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.silence.set()
        self._httpd.shutdown()
        self._httpd.server_close()

    def url(self, path):
        """Full address of a path."""
        return self.base + path

    def _serve(self, handler, form=None):
        with self.lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            answer = self._answer(handler.path, dict(handler.headers.items()), form)
            if self.faults.get(handler.path):
                self.faults[handler.path].pop(0)(answer)
                self.injected += 1
            self.log.append((handler.path, answer.request.get("Range"), answer.status))
        time.sleep(self.delay)
        with self.lock:
            self._busy -= 1  # before the last byte, after which the client may ask for the next file
        with contextlib.suppress(OSError):  # the client may leave first
            self._send(handler, answer)

    def _answer(self, path, request, form=None):
        body = self.files.get(path)
        if callable(body):
            body = body(form)
        if body is None:
            return Answer(self.files, path, request, 404, {"Content-Length": "9"}, b"not here\n")
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(len(body))}
        wanted = re.fullmatch(r"bytes=(\d+)-", request.get("Range", ""))
        if not wanted or request.get("If-Range", tag) != tag:
            return Answer(self.files, path, request, 200, headers, body)
        start = int(wanted[1])
        if start >= len(body):
            return Answer(
                self.files,
                path,
                request,
                416,
                {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"},
                b"",
            )
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        headers["Content-Length"] = str(len(body) - start)
        return Answer(self.files, path, request, 206, headers, body[start:])

    def _send(self, handler, answer):
        lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{k}: {v}" for k, v in answer.headers.items())]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
        sent = head + answer.body
        stops = [stop for stop in (answer.cut, answer.stall, answer.slow) if stop is not None]
        end = min(stops, default=len(answer.body))
        handler.close_connection = True
        handler.wfile.write(sent[: end + (0 if answer.in_head else len(head))])
        handler.wfile.flush()
        if answer.stall is not None:
            self.silence.wait(5.0)
        if answer.slow is not None:
            handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in sent[end + (0 if answer.in_head else len(head)) :]:
                if self.silence.wait(0.01):
                    break
                handler.wfile.write(bytes([byte]))
        while answer.endless and not self.silence.is_set():
            handler.wfile.write(answer.endless)
            self.overflow += len(answer.endless)
        if answer.reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()


# -- faults: each returns a function that changes one answer


def cut(offset, reset=False, in_head=False):
    """Close the connection after some bytes."""

    def fault(answer):
        answer.cut, answer.reset, answer.in_head = offset, reset, in_head

    return fault


def stall(offset, in_head=False):
    """Fall silent after some bytes."""

    def fault(answer):
        answer.stall, answer.in_head = offset, in_head

    return fault


def slow(offset, in_head=False):
    """Send one byte at a time after some bytes."""

    def fault(answer):
        answer.slow, answer.in_head = offset, in_head

    return fault


def endless(answer):
    """Announce no length, and send the body again and again."""
    answer.headers.pop("Content-Length", None)
    answer.endless = answer.body or bytes(4096)


def gzipped(answer):
    """Compress the body on the way."""
    answer.body = gzip.compress(answer.body)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Content-Length"] = str(len(answer.body))


def status(code, body=b"<html>try again later</html>", **headers):
    """Answer with an error page; ``_`` in the name of a header stands for ``-``."""

    def fault(answer):
        answer.status, answer.body = code, body
        answer.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer.headers["Content-Length"] = str(len(body))

    return fault


def redirect(target, code=302):
    """Send elsewhere."""
    return status(code, b"", Location=target)


def wrong_bytes(position=0):
    """Flip the bits of one byte."""

    def fault(answer):
        body = bytearray(answer.body)
        body[position] ^= 0xFF
        answer.body = bytes(body)

    return fault


def replaced_by(body):
    """Answer 200 with another body, as a page of a proxy would."""

    def fault(answer):
        answer.status, answer.body = 200, body
        answer.headers = {"Content-Length": str(len(body)), "Content-Type": "text/html"}

    return fault


def claimed_length(change):
    """Announce a Content-Length that is off by ``change``; None leaves it out."""

    def fault(answer):
        length = answer.headers.pop("Content-Length")
        if change is not None:
            answer.headers["Content-Length"] = str(int(length) + change)

    return fault


def header(name, value):
    """Set one header, or take it out if the value is None."""

    def fault(answer):
        answer.headers.pop(name, None)
        if value is not None:
            answer.headers[name] = value

    return fault


def whole(answer):
    """Ignore Range: send the whole file with 200."""
    answer.status, answer.body = 200, answer.files[answer.path]
    answer.headers.pop("Content-Range", None)
    answer.headers["Content-Length"] = str(len(answer.body))


def if_range_ignored(answer):
    """Send the range asked for although the file is not the one it was asked of."""
    start = int(answer.request["Range"].removeprefix("bytes=").removesuffix("-"))
    size = len(answer.body)
    answer.status, answer.body = 206, answer.body[start:]
    answer.headers["Content-Length"] = str(size - start)
    answer.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"


def shifted(shift, honest=True):
    """Answer 206 with other bytes than asked for; under the Content-Range asked for if not ``honest``."""

    def fault(answer):
        body = answer.files[answer.path]
        start = len(body) - len(answer.body) + shift
        answer.status, answer.body = 206, body[start:]
        answer.headers["Content-Length"] = str(len(answer.body))
        if honest:
            answer.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"

    return fault


def chunked(answer):
    """Send the body in chunks, without its length."""
    answer.headers.pop("Content-Length")
    answer.headers["Transfer-Encoding"] = "chunked"
    pieces = [answer.body[i : i + 4096] for i in range(0, len(answer.body), 4096)]
    answer.body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def together(*faults):
    """Apply several faults to one answer."""

    def fault(answer):
        for each in faults:
            each(answer)

    return fault


def becomes(body):
    """Replace the file on the server once this answer is made, so that later ones differ."""

    def fault(answer):
        answer.files[answer.path] = body

    return fault
