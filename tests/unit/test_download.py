"""Downloads against a server that misbehaves: every file arrives whole or is refused in one sentence."""

import dataclasses
import hashlib
import io
import itertools
import json
import random
import resource
import socket
import time
from email.utils import formatdate

import pytest
import servers
from servers import FileServer, chunked, claimed_length, cut, header, shifted, stall, status, together, whole

from xpsvae import products
from xpsvae.data import download as module
from xpsvae.data import patience
from xpsvae.data.download import download, fetch_zenodo_manifest
from xpsvae.data.manifest import Entry, parse_zenodo_record, read_manifest, verify
from xpsvae.errors import InputError

RANDOM = random.Random(1)
DATA = RANDOM.randbytes(200_000)
CHANGED = RANDOM.randbytes(200_000)
PATH = "/some/data.bin"
PAGE = b"<html>please log in</html>"
CUTS = sorted(RANDOM.sample(range(1, len(DATA)), 24))
A_DAY = "86400"

# What the server does to the first requests; afterwards it is correct, and the file must arrive.
PASSING = {
    **{f"cut at {offset}": [cut(offset)] for offset in CUTS[::2]},
    **{f"reset at {offset}": [cut(offset, reset=True)] for offset in CUTS[1::2]},
    **{f"cut in the head at {n}": [cut(n, in_head=True)] for n in (0, 1, 9, 20, 60)},
    "cut before the first byte": [cut(0)],
    "cut before the last byte": [cut(len(DATA) - 1)],
    "cut seven times": [cut(1000), cut(5000), cut(0), cut(1), cut(90_000), cut(7, reset=True), cut(2)],
    "cut between chunks": [together(chunked, cut(4102 * 3))],
    "cut in a chunk": [together(chunked, cut(50_001))],
    "cut where no length was told": [together(claimed_length(None), cut(77_777))],
    "stalls": [stall(0)],
    "stalls in the head": [stall(12, in_head=True)],
    "stalls in the middle, twice": [stall(100_000), stall(50_000)],
    **{f"status {code}": [status(code)] for code in (408, 425, 429, 500, 502, 503, 504)},
    "status 503 with a body of the right length": [status(503, CHANGED)],
    "status 429 with Retry-After": [status(429, Retry_After="120")],
    "status 503 with a date": [status(503, Retry_After=formatdate(time.time() + 120, usegmt=True))],
    "status 503 with nonsense": [status(503, Retry_After="soon"), status(503, Retry_After="-5")],
    "status 403 of a rate limit": [status(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="120")],
    "status 403 of a rate limit that has passed": [
        status(403, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(time.time()) - 120))
    ],
    "status 503 when resuming": [cut(60_000), status(503), status(500), status(429, Retry_After="3")],
    "wrong first byte": [servers.wrong_bytes(0)],
    "wrong byte": [servers.wrong_bytes(123_456)],
    "wrong last byte, twice": [servers.wrong_bytes(-1), servers.wrong_bytes(-1)],
    "wrong byte when resuming": [cut(60_000), servers.wrong_bytes(10)],
    "short page instead": [servers.replaced_by(PAGE)],
    "page instead when resuming": [cut(60_000), servers.replaced_by(PAGE)],
    "long page instead": [servers.replaced_by(CHANGED + CHANGED)],
    "empty answer": [servers.replaced_by(b"")],
    **{f"length told off by {n:+d}": [claimed_length(n)] for n in (-100_000, -1, 1, 100_000)},
    **{f"length told as {text}": [header("Content-Length", text)] for text in ("0", "-7", "many", "10, 20")},
    "length not told": [claimed_length(None)],
    "length told short when resuming": [cut(60_000), claimed_length(-5)],
    "length told long when resuming": [cut(60_000), claimed_length(5)],
    "length told short, Range ignored": [claimed_length(-5), together(whole, claimed_length(-5)), whole],
    "Range ignored": [cut(60_000), whole],
    "Range ignored and cut": [cut(60_000), together(whole, cut(30_000)), together(whole, cut(190_000))],
    "wrong range, behind": [cut(60_000), shifted(7)],
    "wrong range, before": [cut(60_000), shifted(-7)],
    "wrong range from the start": [cut(60_000), shifted(-60_000)],
    "wrong range under the right name": [cut(60_000), shifted(7, honest=False)],
    "wrong range under the right name, before": [cut(60_000), shifted(-7, honest=False)],
    "range nobody asked for": [shifted(1000)],
    "range without its place": [cut(60_000), header("Content-Range", None)],
    "range in other units": [cut(60_000), header("Content-Range", "lines 60000-199999/200000")],
    "range of a longer file": [cut(60_000), header("Content-Range", "bytes 60000-199999/200001")],
    "range in parts": [
        cut(60_000),
        together(header("Content-Range", None), header("Content-Type", "multipart/byteranges")),
    ],
    "range refused": [cut(60_000), status(416)],
    "redirect": [servers.redirect("/else/where.bin")],
    "redirect when resuming": [cut(60_000), servers.redirect("/else/where.bin", 307)],
    "said to be compressed": [header("Content-Encoding", "gzip")],
    "compressed": [servers.gzipped],
    "compressed when resuming": [cut(60_000), servers.gzipped],
    "slow": [servers.slow(100)],
    "slow from the start": [servers.slow(0)],
    "slow in the head": [servers.slow(5, in_head=True)],
    "slow in the middle, twice": [servers.slow(100_000), servers.slow(50_000)],
    "slow between chunks": [together(chunked, servers.slow(4102))],
    "length of 400 digits": [header("Content-Length", "9" * 400)],
    "lengths that agree": [header("Content-Length", "200000, 200000")],
    "range with 5000 digits": [cut(60_000), header("Content-Range", f"bytes 60000-199999/{'9' * 5000}")],
    "tag with letters of no alphabet": [together(cut(60_000), header("ETag", '"\xe9\xff"'))],
    "weak tag": [together(cut(60_000), header("ETag", 'W/"1"'))],
    "no tag": [together(cut(60_000), header("ETag", None))],
    "date for a tag": [
        together(cut(60_000), header("ETag", None), header("Last-Modified", formatdate(0, usegmt=True)))
    ],
}

# The file on the server changes after the first answer; the manifest describes the new one.
UNTIL_CHANGED = together(cut(60_000), servers.becomes(CHANGED))
PASSING_CHANGE = {
    "changed": [UNTIL_CHANGED],
    "changed, If-Range ignored": [UNTIL_CHANGED, servers.if_range_ignored],
    "changed, If-Range ignored, no tag": [
        together(header("ETag", None), UNTIL_CHANGED),
        together(servers.if_range_ignored, header("ETag", None)),
    ],
    "changed, If-Range ignored and cut": [
        UNTIL_CHANGED,
        together(servers.if_range_ignored, header("ETag", None), cut(9)),
        together(servers.if_range_ignored, header("ETag", None)),
    ],
}

# What the server does to every request: how many there are, and what the sentence says.
FAILING = {
    "status 401": (status(401), 1, "HTTP status 401"),
    "status 403": (status(403), 1, "HTTP status 403"),
    "status 404": (status(404), 1, "HTTP status 404"),
    "status 410 with a body of the right length": (status(410, DATA), 1, "HTTP status 410"),
    "status 204": (status(204, b""), 1, "HTTP status 204"),
    "status 304": (status(304, b""), 1, "HTTP status 304"),
    "status 203 with the data": (status(203, DATA), 1, "HTTP status 203"),
    "status 500": (status(500), 4, "HTTP status 500"),
    "status 503 with a body of the right length": (status(503, DATA), 4, "HTTP status 503"),
    "status 429": (status(429, Retry_After="7"), 4, "HTTP status 429"),
    "comes back tomorrow": (status(503, Retry_After=A_DAY), 1, "pause of"),
    "always wrong": (servers.wrong_bytes(5), 3, "where .* was expected"),
    "always a page": (servers.replaced_by(PAGE), 4, "has 26 bytes where 200000 were expected"),
    "always another file": (servers.replaced_by(CHANGED), 3, "where .* was expected"),
    "always cut at once": (cut(0), 4, "the connection failed"),
    "always silent": (stall(0, in_head=True), 4, "no byte for 0.15 s"),
    "always told short": (together(whole, claimed_length(-1)), 4, "has 199999 bytes where 200000"),
    "redirect to itself": (servers.redirect(PATH), 31, "TooManyRedirects"),
    "redirect to a file": (servers.redirect("file:///etc/hostname"), 1, "InvalidSchema"),
    "redirect to no address": (servers.redirect("http://[broken/x"), 1, "the address leads nowhere"),
    "redirect without a host": (servers.redirect("https:///x"), 1, "InvalidURL|leads nowhere"),
    "slow for ever": (servers.slow(0), 4, "fewer than 1024 bytes a second for 0.15 s"),
    "slow in the head for ever": (servers.slow(9, in_head=True), 4, "fewer than 1024 bytes a second"),
    "always compressed": (servers.gzipped, 3, "with Content-Encoding 'gzip', has sha256"),
    "refused with a reason": (status(400, b'{"message": "Bad range", "status": 400}'), 1, '400: "Bad range"'),
    "redirect to a closed port": (servers.redirect("http://127.0.0.1:1/x?sig=SECRET"), 4, "ConnectionError"),
}


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Collect the waits instead of waiting."""
    waited = []
    monkeypatch.setattr(patience, "wait", lambda stop, seconds: waited.append(seconds))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return waited


def entry_of(server, data=DATA, path=PATH, algorithm="sha256", **changes):
    checksum = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    entry = Entry(path.rsplit("/")[-1], server.url(path), checksum, len(data))
    return dataclasses.replace(entry, **changes)


def is_one_sentence(error):
    text = str(error.value)
    return text.endswith(".") and ". " not in text and "\n" not in text


@pytest.mark.parametrize("case", PASSING | PASSING_CHANGE)
def test_arrives_whole(case, tmp_path):
    script = (PASSING | PASSING_CHANGE)[case]
    data = CHANGED if case in PASSING_CHANGE else DATA
    with FileServer({PATH: DATA, "/else/where.bin": DATA}, {PATH: script}) as server:
        (path,) = download([entry_of(server, data)], tmp_path, timeout=0.6)
    assert path.read_bytes() == data
    assert server.injected == len(script)
    assert [file.name for file in tmp_path.iterdir()] == ["data.bin"]


@pytest.mark.parametrize(
    "case", ["cut seven times", "Range ignored", "wrong byte", "changed", "length told off by +1"]
)
def test_arrives_whole_where_the_size_is_not_known(case, tmp_path):
    script = (PASSING | PASSING_CHANGE)[case]
    data = CHANGED if case in PASSING_CHANGE else DATA
    with FileServer({PATH: DATA}, {PATH: script}) as server:
        (path,) = download([entry_of(server, data, size=None, algorithm="md5")], tmp_path)
    assert path.read_bytes() == data
    assert server.injected == len(script)


@pytest.mark.parametrize("case", FAILING)
def test_fails_in_one_sentence(case, tmp_path):
    fault, n_requests, says = FAILING[case]
    with FileServer({PATH: DATA}, {PATH: itertools.repeat(fault, 40)}) as server:
        entry = entry_of(server)
        with pytest.raises(InputError, match=says) as error:
            download([entry], tmp_path, attempts=4, timeout=0.15)
    assert is_one_sentence(error)
    assert "data.bin" in str(error.value) and "SECRET" not in str(error.value)
    assert server.injected == n_requests
    assert not (tmp_path / "data.bin").exists()
    if "always" in case and "short" not in case and "page" not in case:
        assert not any(file.stat().st_size for file in tmp_path.glob("*.part"))


def test_wrong_checksum_names_both(tmp_path):
    with FileServer({PATH: CHANGED}) as server:
        entry = entry_of(server)
        with pytest.raises(InputError) as error:
            download([entry], tmp_path)
    assert entry.digest in str(error.value) and hashlib.sha256(CHANGED).hexdigest() in str(error.value)
    assert [status for _, _, status in server.log] == [200] * 3
    assert not list(tmp_path.iterdir())


def test_number_of_faults():
    """Keep the number that documentation quotes: cases, and faults injected in them."""
    scripts = [*PASSING.values(), *PASSING_CHANGE.values()]
    assert (len(scripts), sum(map(len, scripts))) == (106, 145)
    assert (len(FAILING), sum(n_requests for _, n_requests, _ in FAILING.values())) == (26, 92)


def test_random_faults_in_a_row(tmp_path):
    """Fifty files, each through a random sequence of faults."""
    choice = random.Random(2)
    kinds = [
        lambda: cut(choice.randrange(len(DATA))),
        lambda: cut(choice.randrange(len(DATA)), reset=True),
        lambda: status(choice.choice([429, 500, 502, 503, 504]), PAGE),
        lambda: claimed_length(choice.randrange(-1000, 0)),
        lambda: together(whole, cut(choice.randrange(len(DATA) // 2))),
        lambda: servers.wrong_bytes(-1),
    ]
    paths = [f"/{n}.bin" for n in range(50)]
    scripts = {
        path: [kind() for kind in choice.sample(kinds + kinds, choice.randrange(2, 8))] for path in paths
    }
    with FileServer({path: DATA[: choice.randrange(1, len(DATA))] for path in paths}, scripts) as server:
        files = dict(server.files)
        entries = [entry_of(server, files[path], path) for path in paths]
        arrived = download(entries, tmp_path, workers=8)
    assert [path.read_bytes() for path in arrived] == list(files.values())
    assert server.injected > 100


def test_resumes_in_a_later_run(tmp_path):
    with FileServer({PATH: DATA}, {PATH: [cut(150_000)]}) as server:
        with pytest.raises(InputError):
            download([entry_of(server)], tmp_path, attempts=1)
        assert (tmp_path / "data.bin.part").read_bytes() == DATA[:150_000]
        download([entry_of(server)], tmp_path)
    assert server.log == [(PATH, None, 200), (PATH, "bytes=150000-", 206)]


def test_does_not_splice_in_a_later_run(tmp_path):
    with FileServer({PATH: DATA}, {PATH: [UNTIL_CHANGED]}) as server:
        entry = entry_of(server, CHANGED)
        with pytest.raises(InputError):
            download([entry], tmp_path, attempts=1)
        (path,) = download([entry], tmp_path, attempts=1)
    assert path.read_bytes() == CHANGED
    assert server.log == [(PATH, None, 200), (PATH, "bytes=60000-", 200)]


def test_an_attempt_that_advances_does_not_count(tmp_path):
    data = RANDOM.randbytes(5 << 20)
    cuts = [cut((1 << 20) + 10)] * 4
    with FileServer({PATH: data}, {PATH: cuts}) as server:
        (path,) = download([entry_of(server, data)], tmp_path, attempts=1)
    assert path.read_bytes() == data
    assert server.injected == 4


@pytest.mark.parametrize(
    "left, n_requests",
    [(DATA, 0), (DATA[:-1], 1), (DATA + b"more", 1), (CHANGED, 1), (CHANGED[:100_000], 2), (b"", 1)],
)
@pytest.mark.parametrize("told", [True, False])
def test_a_part_left_behind(left, n_requests, told, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(left)
    with FileServer({PATH: DATA}) as server:
        (path,) = download([entry_of(server, **({} if told else {"size": None}))], tmp_path)
    assert path.read_bytes() == DATA
    # where the size is not told, only the server can say that a part is too long
    assert len(server.log) == n_requests + (not told and len(left) >= len(DATA) and n_requests)


def test_finished_files_are_verified(tmp_path):
    path = tmp_path / "data.bin"
    with FileServer({PATH: DATA}) as server:
        entry = entry_of(server)
        download([entry], tmp_path)
        download([entry], tmp_path)
        assert len(server.log) == 1
        path.write_bytes(CHANGED)
        with pytest.raises(InputError, match=f"sha256 .* where {entry.digest} was expected") as error:
            verify(path, entry)
        assert is_one_sentence(error)
        download([entry], tmp_path)
        verify(path, entry)
        assert len(server.log) == 2
    path.write_bytes(DATA[:-1])
    with pytest.raises(InputError, match="has 199999 bytes where 200000 were expected"):
        verify(path, entry)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        verify(path, entry)


def test_mirrors_in_order(tmp_path):
    gone, broken, good = "/gone/data.bin", "/broken/data.bin", "/good/data.bin"
    with FileServer({broken: CHANGED, good: DATA}) as server:
        entry = entry_of(server, path=gone, mirrors=[server.url(broken), server.url(good)])
        (path,) = download([entry], tmp_path)
    assert path.read_bytes() == DATA
    assert [request for request, _, _ in server.log] == [gone] + [broken] * 3 + [good]


def test_mirror_continues_what_another_began(tmp_path):
    with (
        FileServer({PATH: DATA}, {PATH: [cut(120_000), status(404)]}) as first,
        FileServer({PATH: DATA}) as second,
    ):
        entry = entry_of(first, mirrors=[second.url(PATH)])
        (path,) = download([entry], tmp_path)
    assert path.read_bytes() == DATA
    assert second.log == [(PATH, "bytes=120000-", 206)]


def test_every_mirror_is_named(tmp_path):
    with FileServer() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        entry = entry_of(server, mirrors=[f"http://{nobody}/data.bin"])
        with pytest.raises(InputError, match=f"{nobody}: the connection failed") as error:
            download([entry], tmp_path)
    assert f"{server.base.removeprefix('http://')}: HTTP status 404" in str(error.value)


def test_backs_off_exponentially(tmp_path, waits):
    with FileServer({PATH: DATA}, {PATH: [status(503)] * 9}) as server:
        download([entry_of(server)], tmp_path, attempts=10)
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(waits) == len(expected)
    assert all(least * 0.95 <= waited <= least * 1.25 for least, waited in zip(expected, waits, strict=True))


LATER = int(time.time()) + 200


@pytest.mark.parametrize(
    "code, headers, least",
    [
        (429, {"Retry_After": "120"}, 120),
        (
            503,
            {"Retry_After": formatdate(LATER, usegmt=True), "Date": formatdate(LATER - 40, usegmt=True)},
            40,
        ),
        (429, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "90"}, 90),
        (
            429,
            {
                "X_RateLimit_Remaining": "0",
                "X_RateLimit_Reset": str(LATER),
                "Date": formatdate(LATER - 50, usegmt=True),
            },
            50,
        ),
        (429, {"X_RateLimit_Remaining": "7", "X_RateLimit_Reset": "90"}, 1),
        (503, {"Retry_After": "0"}, 1),
    ],
)
def test_waits_as_long_as_asked(code, headers, least, tmp_path, waits):
    with FileServer({PATH: DATA}, {PATH: [status(code, **headers)]}) as server:
        download([entry_of(server)], tmp_path)
    assert len(waits) == 1 and least * 0.95 <= waits[0] <= least * 1.25


def test_a_spent_quota_holds_the_next_file(tmp_path, waits):
    spent = together(header("X-RateLimit-Remaining", "0"), header("X-RateLimit-Reset", "30"))
    with FileServer({"/a": DATA, "/b": DATA}, {"/a": [spent]}) as server:
        download([entry_of(server, path="/a"), entry_of(server, path="/b")], tmp_path, workers=1)
    assert len(waits) == 1 and 29 <= waits[0] <= 37.5


def test_waits_on_the_clock(tmp_path, monkeypatch):
    monkeypatch.undo()
    with FileServer({PATH: DATA}, {PATH: [status(503)]}) as server:
        started = time.monotonic()
        download([entry_of(server)], tmp_path)
    assert 0.95 <= time.monotonic() - started < 3


def test_files_at_once_are_bounded(tmp_path):
    files = {f"/{n}": RANDOM.randbytes(1000) for n in range(9)}
    with FileServer(files, delay=0.03) as server:
        arrived = download(
            [entry_of(server, data, path) for path, data in files.items()], tmp_path, workers=3
        )
    assert [path.read_bytes() for path in arrived] == list(files.values())
    assert server.busiest == 3


def test_one_lost_file_does_not_hold_the_others(tmp_path):
    with FileServer({"/a": DATA, "/c": DATA}) as server:
        entries = [entry_of(server, path=path) for path in ("/x", "/a", "/y", "/c")]
        with pytest.raises(InputError, match="2 of 4 files did not arrive; the first: x could not") as error:
            download(entries, tmp_path)
    assert is_one_sentence(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_an_interrupt_stops_all_files(tmp_path, monkeypatch):
    def interrupt(stop, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(patience, "wait", interrupt)
    files = {f"/{n}": DATA for n in range(40)}
    with FileServer(files, {"/0": [cut(10)]}, delay=0.02) as server:
        with pytest.raises(KeyboardInterrupt):
            download([entry_of(server, path=path) for path in files], tmp_path, workers=1)
    assert len(server.log) < 5
    assert (tmp_path / "0.part").read_bytes() == DATA[:10]


def test_bar_counts_the_bytes_that_are_there(tmp_path, monkeypatch):
    bars = []

    class Bar(module.tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"disable": False, "file": io.StringIO()})
            bars.append(self)

    monkeypatch.setattr(module, "tqdm", Bar)
    scripts = {PATH: [cut(60_000), together(whole, servers.wrong_bytes(3)), cut(9)]}
    (tmp_path / "b").write_bytes(CHANGED)
    with FileServer({PATH: DATA, "/b": CHANGED}, scripts) as server:
        download([entry_of(server), entry_of(server, CHANGED, "/b")], tmp_path)
    assert bars[0].n == bars[0].total == len(DATA) + len(CHANGED)


@pytest.mark.parametrize("told", ["by nobody", "as nonsense"])
def test_a_file_without_end_is_given_up(told, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_UNTOLD", 1_000_000)
    fault = (
        servers.endless if told == "by nobody" else together(servers.endless, header("Content-Length", "-1"))
    )
    with FileServer({PATH: DATA}, {PATH: itertools.repeat(fault, 9)}) as server:
        with pytest.raises(InputError, match="bytes came where no size was announced") as error:
            download([entry_of(server, size=None)], tmp_path)
    assert is_one_sentence(error) and server.injected == 1
    assert not list(tmp_path.iterdir())


def test_a_file_of_known_size_ends_there(tmp_path):
    with FileServer({PATH: DATA}, {PATH: [servers.endless]}) as server:
        (path,) = download([entry_of(server)], tmp_path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("told", [True, False])
def test_what_the_disk_cannot_take_is_not_begun(told, tmp_path, monkeypatch):
    free = module.shutil.disk_usage(tmp_path)._replace(free=199_999)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: free)
    with FileServer({PATH: DATA}) as server:
        with pytest.raises(InputError, match="200000 bytes are to come and 199999 are free") as error:
            download([entry_of(server, **({} if told else {"size": None}))], tmp_path)
    assert is_one_sentence(error) and not (tmp_path / "data.bin.part").exists()


NOTES = ["", "{", "null", "[]", "7", '{"URL": 7}', '{"URL": ["x"]}', '{"URL": "a\\r\\nX: y"}', "[" * 99_999]


@pytest.mark.parametrize("note", NOTES)
def test_a_damaged_note_of_the_version_does_not_matter(note, tmp_path):
    with FileServer({PATH: DATA}) as server:
        (tmp_path / "data.bin.part").write_bytes(DATA[:1000])
        (tmp_path / "data.bin.part.json").write_text(note.replace("URL", server.url(PATH)))
        (path,) = download([entry_of(server)], tmp_path)
    assert path.read_bytes() == DATA and len(server.log) == 1


# -- answers whose checksum nobody knows

ODD = {
    "compressed": (servers.gzipped, "came compressed on the way"),
    "said to be compressed": (header("Content-Encoding", "br"), "came compressed on the way"),
    "length below zero": (header("Content-Length", "-5"), "a length that is no number of bytes"),
    "length in words": (header("Content-Length", "many"), "a length that is no number of bytes"),
    "length without end": (header("Content-Length", "9" * 30), "a length that is no number of bytes"),
    "two lengths": (header("Content-Length", "10, 20"), "the connection failed"),
    "longer than told": (claimed_length(+7), "the connection failed"),
    "a part": (shifted(9), "HTTP status 206"),
    "a part that is said to be whole": (
        header("Content-Range", "bytes 9-19/20"),
        "a part came where the whole was asked for",
    ),
    "without end": (servers.endless, "has more than 300000 bytes"),
    "slow": (servers.slow(9), "fewer than 1024 bytes a second"),
    "slow between chunks": (together(chunked, servers.slow(0)), "fewer than 1024 bytes a second"),
    "status 400": (status(400, b'{"message": "No such release"}'), 'HTTP status 400: "No such release"'),
    "status 416": (status(416), "HTTP status 416"),
    "no content": (status(204, b""), "HTTP status 204"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_answers_are_one_sentence_and_leave_nothing(case, tmp_path, monkeypatch):
    fault, says = ODD[case]
    monkeypatch.setattr(module, "_LARGEST_ANSWER", 300_000)
    with FileServer({PATH: DATA}, {PATH: itertools.repeat(fault, 9)}) as server:
        with pytest.raises(InputError, match=says) as error:
            module.fetch(server.url(PATH), tmp_path / "answer", attempts=2, timeout=0.15)
    assert is_one_sentence(error) and not list(tmp_path.iterdir())
    assert ("rerun" in str(error.value)) == ("status 4" not in case)


@pytest.mark.parametrize("case", [case for case in ODD if "status" not in case])
def test_an_odd_answer_is_asked_for_again(case, tmp_path, monkeypatch):
    fault, says = ODD[case]
    monkeypatch.setattr(module, "_LARGEST_ANSWER", 300_000)
    with FileServer({PATH: DATA}, {PATH: [fault]}) as server:
        if case in ("without end", "a part", "a part that is said to be whole", "no content"):
            with pytest.raises(InputError, match=says):
                module.fetch(server.url(PATH), tmp_path / "answer", timeout=0.15)
        else:
            module.fetch(server.url(PATH), tmp_path / "answer", timeout=0.15)
            assert (tmp_path / "answer").read_bytes() == DATA


SAID = {
    b'{"message": "Validation error.", "errors": [{"field": "metadata.license", "messages": ["Invalid"]}]}':
        "Validation error. metadata.license Invalid",
    b'{"status": 400, "message": "Too\\nmany\\u0000 blanks"}': "Too many blanks",
    b'{"errors": {"metadata": {"title": ["Missing data", "too short"]}}}':
        "metadata: title: Missing data, too short",
    b'{"message": "see https://host/x?sig=SECRET&a=b now"}': "see https://host/x?… now",
    json.dumps({"message": "x" * 300}).encode(): "x" * 200 + '"',
    b'{"message": null, "errors": []}': "",
    b'{"message": {"deep": [[[[[[["x"]]]]]]]}}': "",
    b'["message"]': "",
    b'"message"': "",
    b"[" * 50_000: "",
    b"\xff\xfe{": "",
    b'{"message": "' + b"y" * 70_000 + b'"}': "",
    b"": "",
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(SAID)))
def test_the_reason_of_a_server_is_told(number, tmp_path):
    body, says = list(SAID.items())[number]
    with FileServer(faults={PATH: [status(422, body)]}) as server, pytest.raises(InputError) as error:
        module.fetch(server.url(PATH), tmp_path / "answer")
    told = str(error.value).partition("HTTP status 422")[2]
    assert told.startswith(f': "{says}') if says else told.startswith(")"), told
    assert "SECRET" not in str(error.value) and "\n" not in str(error.value)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with FileServer({PATH: DATA}) as server, pytest.raises(InputError, match="cannot be written") as error:
        download([entry_of(server)], tmp_path / "taken")
    assert is_one_sentence(error)


def test_full_disk(tmp_path):
    # a limit on the size of files stands for the end of the disk
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
    try:
        with FileServer({PATH: DATA}) as server, pytest.raises(InputError, match="File too large") as error:
            download([entry_of(server)], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert is_one_sentence(error)
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size > 1000] == ["data.bin.part"]


# -- manifests


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"name": "../data.bin"}, "plain name"),
        ({"name": ".hidden"}, "plain name"),
        ({"name": ""}, "plain name"),
        ({"url": "ftp://host/data.bin"}, "an http\\(s\\) one"),
        ({"url": "data.bin"}, "an http\\(s\\) one"),
        ({"url": "https://"}, "an http\\(s\\) one"),
        ({"url": "http://[broken/x"}, "an http\\(s\\) one"),
        ({"url": None}, "an http\\(s\\) one"),
        ({"url": "https://me:SECRET@host/data.bin"}, "password or token"),
        ({"url": "https://host/data.bin?access_token=SECRET"}, "password or token"),
        ({"mirrors": ["https://host/?X-Amz-Signature=SECRET"]}, "password or token"),
        ({"mirrors": "https://host/x"}, "an http\\(s\\) one"),
        ({"checksum": "md5:123"}, "hexadecimal"),
        ({"checksum": "crc32:12345678"}, "hexadecimal"),
        ({"checksum": "md5:" + "g" * 32}, "hexadecimal"),
        ({"checksum": None}, "hexadecimal"),
        ({"size": -1}, "in bytes"),
        ({"size": "200000"}, "in bytes"),
    ],
)
def test_entries_are_checked(changes, says):
    fields = {"name": "data.bin", "url": "https://host/data.bin", "checksum": "md5:" + "0" * 32, "size": 3}
    Entry(**fields)
    with pytest.raises(InputError, match=says) as error:
        Entry(**fields | changes)
    assert is_one_sentence(error) and "SECRET" not in str(error.value)


def test_names_given_twice():
    with FileServer() as server, pytest.raises(InputError, match="names data.bin twice"):
        download([entry_of(server), entry_of(server)], "unused")


@pytest.mark.parametrize("content", ["{}x", "3", '["a"]', '[{"name": "a"}]', '[{"nome": "a"}]', "null"])
def test_manifest_that_is_none(content, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(InputError, match="manifest.json") as error:
        read_manifest(path)
    assert "mend it" in str(error.value) or "delete it" in str(error.value)


FILES = {"a table.h5": RANDOM.randbytes(3000), "b.npz": RANDOM.randbytes(100)}


def record_of(server):
    """Answer in the form of Zenodo's records API."""
    return {
        "id": 10951393,
        "metadata": {"title": "Spectra", "access_right": "open"},
        "files": [
            {
                "id": f"0000-{n}",
                "key": name,
                "size": len(data),
                "checksum": f"md5:{hashlib.md5(data).hexdigest()}",
                "links": {"self": server.url(f"/api/records/10951393/files/{n}/content")},
            }
            for n, (name, data) in enumerate(FILES.items())
        ],
    }


def test_zenodo_record_to_files(tmp_path):
    paths = [f"/api/records/10951393/files/{n}/content" for n in range(len(FILES))]
    record = "/api/records/10951393"
    faults = {
        record: [status(429, Retry_After="9"), cut(200), servers.replaced_by(PAGE), claimed_length(-9)],
        paths[0]: [cut(1000), servers.wrong_bytes()],
    }
    with FileServer(dict(zip(paths, FILES.values(), strict=True)), faults) as server:
        server.files[record] = json.dumps(record_of(server)).encode()
        entries = fetch_zenodo_manifest(10951393, base_url=server.base + "/")
        products.write_json(tmp_path / "manifest.json", [dataclasses.asdict(entry) for entry in entries])
        assert read_manifest(tmp_path / "manifest.json") == entries
        arrived = download(entries, tmp_path / "data")
    assert server.injected == 6
    assert {path.name: path.read_bytes() for path in arrived} == FILES


def test_zenodo_names_wanted():
    with FileServer() as server:
        (entry,) = parse_zenodo_record(record_of(server), ["b.npz"])
        assert (entry.name, entry.size, entry.digest) == (
            "b.npz",
            100,
            hashlib.md5(FILES["b.npz"]).hexdigest(),
        )
        with pytest.raises(InputError, match="has no file c.h5 but a table.h5, b.npz"):
            parse_zenodo_record(record_of(server), ["c.h5"])


@pytest.mark.parametrize(
    "answer", [[], {}, {"files": None}, {"files": [{"key": "a"}]}, {"files": {"enabled": True}}]
)
def test_zenodo_answer_of_another_form(answer):
    with pytest.raises(InputError, match="not a record"):
        parse_zenodo_record(answer)


def test_zenodo_record_that_is_not_there():
    with FileServer() as server, pytest.raises(InputError, match="record 1 .*HTTP status 404") as error:
        fetch_zenodo_manifest(1, base_url=server.base)
    assert is_one_sentence(error)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" * 200_000, "is not JSON"),
        (b"\xff\xff", "is not JSON"),
        (b'{"files": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"", "is not JSON"),
        (b'{"a": 1} trailing', "is not JSON"),
        (bytes(200_000), "more than 100000 bytes"),
    ],
)
def test_zenodo_answer_that_is_none(body, says, monkeypatch):
    monkeypatch.setattr(patience.read_json, "__defaults__", (100_000 if "more" in says else 1 << 20,))
    with FileServer({"/api/records/1": body}) as server, pytest.raises(InputError, match=says) as error:
        fetch_zenodo_manifest(1, base_url=server.base, attempts=2)
    assert is_one_sentence(error)
