"""Requests to servers that fail at times: how long to go on, when to rest, what a token is shown to.

Every failure is one of `Failure`; a server is left alone for as long as it asks (``Retry-After``,
``X-RateLimit-Remaining`` and ``-Reset``), else for 1, 2, 4 … 60 s. No text of a failure holds an address.
"""

import contextlib
import email.utils
import random
import sys
import threading
import time
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from xpsvae.errors import InputError

__all__ = ["Client", "Failure"]

_LONGEST_BACKOFF = 60.0  # s
_LONGEST_PAUSE = 900.0  # s that a server may ask for before it is given up
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_HOPELESS = (requests.TooManyRedirects, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
DOWNLOAD = (
    "downloaded",
    "check the network and the manifest, then rerun, which goes on from what has arrived.",
)
"""How the sentence of a failed download ends; see `Client.persist`."""


class Failure(Exception):
    """One attempt that brought nothing usable; ``final`` if asking that URL again is no use."""

    def __init__(self, reason, final=False, status=None):
        super().__init__(reason)
        self.final, self.status, self.advanced = final, status, False


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
            If all are given up: ``what``, the reasons, and the two words of ``undone`` around these.
        """
        reasons = []
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
            reasons.append(reason)
        failed, advice = undone
        raise InputError(f"{what} could not be {failed} ({'; '.join(reasons)}): {advice}")

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
        try:
            method = method or ("GET" if form is None and json is None else "POST")
            with session.request(
                method,
                url,
                data=form,
                json=json,
                headers=headers,
                auth=self._authorise if self._token and _site(url) == self._site else None,
                stream=True,
                timeout=self.timeout,
            ) as response:
                asked = _asked_pause(response)
                self._rest(host, asked)
                if response.status_code not in good:
                    again = response.status_code in _RETRIED or (response.status_code == 403 and asked)
                    raise Failure(f"HTTP status {response.status_code}", not again, response.status_code)
                yield response
        except _HOPELESS as error:
            raise Failure(f"the address leads nowhere ({type(error).__name__})", final=True) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise Failure(f"no byte for {self.timeout:g} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # without its text, which may hold the signed address of a redirect
            raise Failure(f"the connection failed ({type(error).__name__})") from error

    def _authorise(self, request):
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _rest(self, host, seconds):
        with self.lock:
            until = time.time() + seconds * (1 + random.random() / 4)  # callers in step would meet again
            self._rest_until[host] = max(self._rest_until.get(host, 0.0), until)


def _asked_pause(response):
    """Seconds for which the server wants no request, by its own clock."""
    headers = response.headers
    now = _timestamp(headers.get("Date")) or time.time()
    after, reset = headers.get("Retry-After", "").strip(), headers.get("X-RateLimit-Reset", "").strip()
    if not response.ok and after:
        return float(after) if after.isdecimal() else max(0.0, (_timestamp(after) or now) - now)
    if headers.get("X-RateLimit-Remaining", "").strip() == "0" and reset.isdecimal():
        # some count the seconds from now, others from 1970
        return max(0.0, float(reset) - now) if float(reset) > 1e9 else float(reset)
    return 0.0


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
