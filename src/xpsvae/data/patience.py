"""HTTP client with retries and back-off by host: how long to go on, when to rest, what a token is shown to.

Every failure is one of `Failure`, with the server's own reason where it gives one. A server is left alone for
as long as it asks (``Retry-After``, ``X-RateLimit-Remaining`` and ``-Reset``), else for 1, 2, 4 … 60 s.
"""

import contextlib
import email.utils
import json
import random
import re
import sys
import threading
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from xpsvae.data.steady import LEAST_RATE, TooSlow
from xpsvae.errors import InputError

__all__ = ["DOWNLOAD", "Client", "Failure", "Undone", "announced", "pieces", "read_json"]

_LONGEST_BACKOFF = 60.0  # s
_LONGEST_PAUSE = 900.0  # s that a server may ask for before it is given up
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_HOPELESS = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_REASON = 200  # characters of a server's own words
_SELF_EVIDENT = {"field", "message", "messages"}
_LARGEST_REFUSAL, _LARGEST_JSON = 1 << 16, 64 << 20  # bytes
_CHUNK = 1 << 20  # bytes


class Undone(NamedTuple):
    """How the sentence of a request ends that was given up, and what to do then; see `Client.persist`."""

    done: str
    again: str
    refused: str


DOWNLOAD = Undone(
    "downloaded",
    "check the network and the manifest, then rerun, which goes on from what has arrived.",
    "correct the address, the record or the query that it refuses.",
)


class Failure(Exception):
    """One attempt that brought nothing usable; ``final`` if asking that URL again is no use."""

    def __init__(self, reason, final=False, status=None):
        super().__init__(reason)
        self.final, self.status, self.advanced = final, status, False

    @property
    def refused(self):
        """Whether the server would say the same of the same request later."""
        return self.final and self.status is not None and 400 <= self.status < 500


class Client:
    """What the requests of one transfer share: patience, the servers to leave alone, the word to stop.

    Parameters
    ----------
    attempts : int
        Failed attempts in a row after which a URL is given up.
    timeout : float
        Longest wait [s] for a connection, and for the next byte.
    token : str, optional
        Goes into the Authorization header of requests to ``site``, and nowhere else.
    site : str, optional
        Scheme, host and port that the token is meant for.
    """

    def __init__(self, attempts=8, timeout=60.0, token=None, site=None):
        self.attempts, self.timeout = attempts, timeout
        self._token, self._site = token, site and _site(site)
        self.stop, self.lock = threading.Event(), threading.Lock()
        self._rest_until = {}  # host -> time.time()

    def persist(self, what, urls, attempt, undone=DOWNLOAD):
        """Call ``attempt(url)`` until it succeeds, on all URLs in order.

        Raises
        ------
        InputError
            If all are given up: ``what``, the reasons, and the words of ``undone`` around these.
        """
        reasons, refused = [], True
        for url in urls:
            host, failed, final = urlsplit(url).netloc, 0, False
            while failed < self.attempts and not final:
                try:
                    return attempt(url)
                except Failure as failure:
                    failed, final = (0 if failure.advanced else failed + 1), failure.final
                    reason = f"{host}: {failure}"
                    tqdm.write(f"{what} from {reason}", file=sys.stderr)
                    self._rest(host, 0.0 if final else min(_LONGEST_BACKOFF, 2.0 ** max(failed - 1, 0)))
                    last = failure
            reasons.append(reason)
            refused &= last.refused
        advice = undone.refused if refused else undone.again
        raise InputError(f"{what} could not be {undone.done} ({'; '.join(reasons)}): {advice}")

    @contextlib.contextmanager
    def open(self, session, url, form=None, method=None, json=None, good=(200, 206, 416), **headers):
        """Yield the streamed answer to a request if its status is a good one.

        ``form`` is the body, a dict or an open file, ``json`` one that is sent as JSON. Unless given, the
        method is POST with a body and GET without one.
        """
        host = urlsplit(url).netloc
        pause = self._rest_until.get(host, 0.0) - time.time()
        if pause > _LONGEST_PAUSE:
            raise Failure(f"it asks for a pause of {pause:.0f} s", final=True)
        if pause > 0:
            wait(self.stop, pause)
        if self.stop.is_set():
            raise Failure("interrupted", final=True)
        # bytes and ranges of a body compressed on the way are not those of the file
        headers["Accept-Encoding"] = "identity"
        method = method or ("GET" if form is None and json is None else "POST")
        authorise = self._authorise if self._token and _site(url) == self._site else None
        body = {"data": form, "json": json, "headers": headers, "auth": authorise}
        with contextlib.ExitStack() as stack, self._named_failures():
            try:
                response = session.request(method, url, stream=True, timeout=self.timeout, **body)
            except ValueError as error:  # a redirect to what is no address at all
                if isinstance(error, requests.RequestException):
                    raise
                raise Failure("the address leads nowhere", final=True) from error
            stack.enter_context(response)
            asked = _asked_pause(response)
            self._rest(host, asked or 0.0)
            if response.status_code not in good:
                again = response.status_code in _RETRIED or (
                    response.status_code == 403 and asked is not None
                )
                said = f"HTTP status {response.status_code}{self._reason(response)}"
                raise Failure(said, not again, response.status_code)
            yield response

    @contextlib.contextmanager
    def _named_failures(self):
        try:
            yield
        except _HOPELESS as error:
            raise Failure(f"the address leads nowhere ({type(error).__name__})", final=True) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if _is_slow(error):
                few = f"fewer than {LEAST_RATE} bytes a second for {self.timeout:g} s"
                raise Failure(few) from error
            if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
                raise Failure(f"no byte for {self.timeout:g} s") from error
            # without its text, which may hold the signed address of a redirect
            raise Failure(f"the connection failed ({type(error).__name__})") from error

    def _reason(self, response):
        """Give the server's own words, in one line and without the token, or the empty string."""
        try:
            answer = read_json(response, _LARGEST_REFUSAL)
        except (Failure, requests.RequestException, urllib3.exceptions.HTTPError):
            return ""
        told = [answer.get(key) for key in ("message", "errors")] if isinstance(answer, dict) else []
        said = " ".join(filter(None, map(_words, told)))
        if self._token:
            said = said.replace(self._token, "…")
        said = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1?…", said)  # a signature may follow
        said = " ".join("".join(letter if letter.isprintable() else " " for letter in said).split())
        return f': "{said[:_REASON]}"' if said else ""

    def _authorise(self, request):
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _rest(self, host, seconds):
        with self.lock:
            until = time.time() + seconds * (1 + random.random() / 4)  # callers in step would meet again
            self._rest_until[host] = max(self._rest_until.get(host, 0.0), until)


def pieces(response, largest=None):
    """Yield an answer as it comes.

    Raises
    ------
    Failure
        If it has more bytes than ``largest``, came compressed on the way although that was not asked for, or
        with a length that is none.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Failure("the answer came compressed on the way, which was not asked for")
    if "Content-Length" in response.headers and announced(response) is None and not _is_chunked(response):
        raise Failure("the answer announces a length that is no number of bytes")
    length = 0
    # read1, since read would lose what came before a stall
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        length += len(chunk)
        if largest is not None and length > largest:
            raise Failure(f"the answer has more than {largest} bytes", final=True)
        yield chunk


def announced(response):
    """Length of a body by its head; None where that says nothing, or nothing that can be."""
    lengths = {length.strip() for length in response.headers.get("Content-Length", "").split(",")}
    if len(lengths) > 1 or _is_chunked(response) or not re.fullmatch("[0-9]{1,18}", *lengths):
        return None
    return int(*lengths)


def _is_chunked(response):
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def read_json(response, largest=_LARGEST_JSON):
    """Read an answer as JSON, or raise `Failure`."""
    content = b"".join(pieces(response, largest))
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failure("the answer is not JSON") from error


def _words(value, depth=5):
    """Texts of a JSON value in a row, each behind the name of what it is about."""
    if isinstance(value, dict) and depth:
        told = {key: words for key, each in value.items() if (words := _words(each, depth - 1))}
        return " ".join(words if key in _SELF_EVIDENT else f"{key}: {words}" for key, words in told.items())
    if isinstance(value, list) and depth:
        return ", ".join(filter(None, (_words(each, depth - 1) for each in value)))
    return str(value) if isinstance(value, str | int | float) else ""


def _is_slow(error):
    while error is not None:
        if isinstance(error, TooSlow):
            return True
        error = error.__cause__ or error.__context__
    return False


def _asked_pause(response):
    """Seconds for which the server wants no request, by its own clock; None where it asks for nothing."""
    headers = response.headers
    now = _timestamp(headers.get("Date")) or time.time()
    after, reset = headers.get("Retry-After", "").strip(), headers.get("X-RateLimit-Reset", "").strip()
    if not response.ok and after:
        return float(after) if after.isdecimal() else max(0.0, (_timestamp(after) or now) - now)
    if headers.get("X-RateLimit-Remaining", "").strip() == "0" and reset.isdecimal():
        # some count the seconds from now, others from 1970
        return max(0.0, float(reset) - now) if float(reset) > 1e9 else float(reset)
    return None


def _timestamp(http_date):
    try:
        return email.utils.parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def wait(stop, seconds):
    """Rest until the time is over or the word to stop comes."""
    stop.wait(seconds)


def _site(url):
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
