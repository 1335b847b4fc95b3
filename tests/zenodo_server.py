"""Zenodo on loopback for tests: the package zenodo-mock behind a proxy that misbehaves by script.

The proxy adds what the mock leaves out and the client relies on: the bearer token is required, answers carry
checksums, a published record cannot change, drafts can be read. Faults of a request (method and what its path
ends with) are used up one request at a time.
"""

import contextlib
import hashlib
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
from zenodo_mock.testing import spawn

__all__ = ["TOKEN", "ZenodoServer"]

TOKEN = "s3cr3t-t0ken-0123456789abcdef"


class ZenodoServer:
    """A context manager; ``base`` is the address of the site, ``log`` has every request.

    ``faults``: (method, end of the path) -> list of ``"drop"`` (before the answer), ``"reset"`` (in the
    middle of the upload), ``"wrong"`` (the file arrives with another byte), ``"late"`` (done, but the answer
    is lost), ``"late 504"`` (done, but that status is the answer), ``"html"`` (an answer that is no JSON),
    bytes (an answer in place of the right one), (status, headers) or (status, headers, body).
    """

    def __init__(self, folder, faults=None):
        self.folder, self.faults = folder, {key: list(script) for key, script in (faults or {}).items()}
        self.log, self.injected, self.lock = [], 0, threading.Lock()
        self.in_argv = False  # whether the token was seen in the arguments of any process
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                with contextlib.suppress(OSError):
                    server._serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *args):
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self._httpd.handle_error = lambda *_: None  # clients that hang up are part of the tests
        self.base = f"http://127.0.0.1:{self._httpd.server_port}"

    def __enter__(self):
        self._mock = spawn(self.folder)
        self.behind = self._mock.__enter__()
        threading.Thread(target=self._httpd.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._httpd.shutdown()
        self._httpd.server_close()
        self._mock.__exit__(*error)

    def stored(self, record):
        """Files that arrived: name -> bytes."""
        return {path.name: path.read_bytes() for path in (self.folder / str(record)).iterdir()}

    def _serve(self, handler):
        method, path = handler.command, handler.path
        for arguments in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                self.in_argv |= TOKEN.encode() in arguments.read_bytes()
        with self.lock:
            self.log.append((method, path, dict(handler.headers.items())))
            key = next((key for key in self.faults if key[0] == method and path.endswith(key[1])), None)
            fault = self.faults[key].pop(0) if key and self.faults[key] else None
            self.injected += fault is not None
        length = int(handler.headers.get("Content-Length") or 0)
        if fault == "reset":
            handler.rfile.read(length // 2)
            return self._hang_up(handler, reset=True)
        body = handler.rfile.read(length)
        if fault == "drop":
            return self._hang_up(handler)
        if isinstance(fault, tuple):
            return self._send(handler, fault[0], [*fault, b"<html>not now</html>"][2], fault[1])
        if isinstance(fault, bytes):
            return self._send(handler, 200, fault)
        if fault == "html":
            return self._send(handler, 200, b"<html>maintenance</html>")
        public = method == "GET" and path.startswith("/api/records/")
        if not public and handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(handler, 401, b'{"message": "unauthorised"}')
        if fault == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        status, answer = self._pass_on(method, path, body)
        if fault == "late":
            return self._hang_up(handler)
        if fault and fault.startswith("late "):
            return self._send(handler, int(fault.split()[1]), b"<html>gateway timeout</html>")
        self._send(handler, status, answer)

    def _pass_on(self, method, path, body):
        parts = path.strip("/").split("/")
        if method == "GET" and parts[:2] == ["api", "files"]:
            file = self.folder / parts[2] / parts[3]
            return (200, file.read_bytes()) if file.is_file() else (404, b"{}")
        if parts[-2:] == ["actions", "publish"] or (method == "PUT" and parts[:2] == ["api", "files"]):
            number = parts[3] if "actions" in parts else parts[2]
            if self._mocked("GET", f"/api/deposit/depositions/{number}").json()["state"] == "done":
                return 403, b'{"message": "published"}'
        answer = self._mocked(method, path, body)
        if "application/json" not in answer.headers.get("Content-Type", ""):
            return answer.status_code, answer.content
        return answer.status_code, json.dumps(self._completed(answer.json(), parts)).encode()

    def _mocked(self, method, path, body=None):
        return requests.request(method, self.behind + path, data=body, timeout=30)

    def _completed(self, answer, parts):
        text = json.dumps(answer).replace(self.behind, self.base)
        answer = json.loads(text)
        if parts[:2] == ["api", "files"] and "size" in answer:
            answer["checksum"] = f"md5:{self._md5(parts[2], answer['key'])}"
        for file in answer.get("files", []):
            digest = self._md5(answer["id"], file["key"])
            if "filename" in file:  # a draft's file, as the deposit API gives it
                file["filesize"], file["checksum"] = file.pop("size"), digest
                del file["key"]
            else:
                file["checksum"] = f"md5:{digest}"
        return answer

    def _md5(self, record, name):
        return hashlib.md5((self.folder / str(record) / name).read_bytes()).hexdigest()

    def _send(self, handler, status, body, headers=None):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _hang_up(self, handler, reset=False):
        handler.close_connection = True
        if reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
