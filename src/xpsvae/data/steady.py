"""Connections that give up a server which sends, but next to nothing.

A socket's timeout begins anew with every byte. Here the time spent waiting for bytes is added up, from the
first one of an answer on: head, framing and body alike. The time in which the caller is busy does not count.
"""

import http.client
import io
import time

import requests
import urllib3
from requests.adapters import HTTPAdapter

__all__ = ["LEAST_RATE", "TooSlow", "session"]

LEAST_RATE = 1024  # bytes/s, over the time for which a single byte is waited


class TooSlow(TimeoutError):
    """So few bytes came that waiting for the others is no use."""


def session():
    """Make a session whose answers keep `LEAST_RATE`, or end in `TooSlow` (in a Timeout of the library)."""
    made = requests.Session()
    made.mount("http://", _Adapter())
    made.mount("https://", _Adapter())
    return made


class _Steady(io.RawIOBase):
    """What a socket receives, as long as it comes fast enough."""

    def __init__(self, raw, window):
        self._raw, self._window = raw, window
        self._waited, self._came, self._begun = 0.0, 0, False

    def readable(self):
        return True

    def readinto(self, buffer):
        started = time.monotonic()
        length = self._raw.readinto(buffer)
        if self._begun:  # what a server does before its first byte is no slow sending
            self._waited += time.monotonic() - started
            self._came += length or 0
        self._begun = True
        if length and self._window and self._waited >= self._window:
            if self._came < LEAST_RATE * self._waited:
                raise TooSlow(f"{self._came} bytes in {self._waited:.0f} s")
            self._waited, self._came = 0.0, 0
        return length

    def close(self):
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock, *args, **options):
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Steady(self.fp.detach(), sock.gettimeout()))


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    _pools = {"http": _HTTPPool, "https": _HTTPSPool}

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args, **options):
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager
