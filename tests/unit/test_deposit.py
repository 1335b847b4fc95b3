"""Deposits on a Zenodo that fails: no file is lost or corrupted, and the token is shown to nobody else."""

import json
import random
import re

import pytest
from zenodo_server import TOKEN, ZenodoServer

from xpsvae.archive import deposit
from xpsvae.data import patience
from xpsvae.errors import InputError

CITATION = """
title: A title
version: 1.2.0
license: MIT
authors:
  - name: A project
  - {given-names: Ada, family-names: Byron, orcid: "https://orcid.org/0000-0000-0000-0001"}
references:
  - {type: article, title: A paper, doi: 10.1000/xyz}
"""
SMALL = "README.md"
LARGE = "array.npy"
SOON = {"Retry-After": "7"}

FAULTS = {
    "no draft at first": {("POST", "/depositions"): ["drop", (500, {}), (429, SOON), "html", (503, {})]},
    "draft not readable": {("GET", "/depositions/1000"): ["drop", (502, {}), "html", (429, SOON)]},
    "upload dropped": {("PUT", LARGE): ["drop", "reset", "reset"]},
    "upload refused": {("PUT", LARGE): [(429, SOON), (500, {}), (503, {}), (504, {})]},
    "answer lost": {("PUT", LARGE): ["late"], ("PUT", SMALL): ["late", "late"]},
    "another byte arrives": {("PUT", LARGE): ["wrong", "wrong"], ("PUT", SMALL): ["wrong"]},
    "answers without sense": {("PUT", LARGE): ["html"], ("PUT", "/depositions/1000"): ["html", "drop"]},
    "metadata refused": {("PUT", "/depositions/1000"): [(500, {}), (429, SOON), "late"]},
    "all at once": {
        ("POST", "/depositions"): [(429, SOON)],
        ("GET", "/depositions/1000"): ["drop"],
        ("PUT", LARGE): ["reset", (429, SOON), "wrong", "late"],
        ("PUT", SMALL): ["drop", (500, {}), "wrong"],
        ("PUT", "/depositions/1000"): ["drop", (503, {})],
    },
}


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(patience, "wait", lambda stop, seconds: waited.append(seconds))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ZENODO_SANDBOX_TOKEN", TOKEN)
    return waited


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / LARGE).write_bytes(random.Random(1).randbytes(300_000))
    (folder / SMALL).write_text("read me")
    (folder / "CITATION.cff").write_text(CITATION)
    (folder / ".snakemake_timestamp").touch()
    manifest = {"dataset": "library", "commit": "abc", "doi": "10.5072/zenodo.1000"}
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def with_doi(folder, reserved):
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    (folder / "MANIFEST.json").write_text(json.dumps(manifest | {"doi": reserved["doi"]}))
    return reserved


@pytest.mark.parametrize("name", FAULTS)
def test_every_file_arrives_whole(name, archive, tmp_path, capfd):
    with ZenodoServer(tmp_path / "store", FAULTS[name]) as server:
        reserved = with_doi(archive, deposit.reserve(server.base))
        sent = deposit.send(archive, reserved)
        assert server.injected == sum(map(len, FAULTS[name].values()))
        assert server.stored(reserved["record"]) == content(archive)
        address = f"/api/deposit/depositions/{reserved['record']}"
        answer = server._mocked("GET", address).json()
    assert sent["state"] == "draft" and answer["state"] == "unsubmitted"
    assert set(sent["files"]) == set(content(archive))
    assert answer["metadata"]["title"] == "A title (dataset library)"
    assert answer["metadata"]["creators"][1] == {"name": "Byron, Ada", "orcid": "0000-0000-0000-0001"}
    assert answer["metadata"]["prereserve_doi"]["doi"] == sent["doi"] == reserved["doi"]
    assert TOKEN not in str(sent) + "".join(capfd.readouterr())
    assert all(TOKEN not in path for _, path, _ in server.log) and not server.in_argv


def test_rate_limit_is_waited_for(archive, tmp_path, waits):
    with ZenodoServer(tmp_path / "store", {("PUT", LARGE): [(429, SOON)]}) as server:
        deposit.send(archive, deposit.reserve(server.base))
    assert waits and all(6 <= wait <= 7 * 1.25 for wait in waits)  # the time does not pass here


def test_failed_run_leaves_a_draft_that_the_next_goes_on_with(archive, tmp_path):
    note = tmp_path / "doi.json"
    with ZenodoServer(tmp_path / "store", {("PUT", LARGE): [(500, {})] * 8}) as server:
        reserved = with_doi(archive, deposit.reserve_into(note, server.base))
        with pytest.raises(InputError, match="array.npy could not be sent .*rerun") as error:
            deposit.send(archive, reserved)
        assert TOKEN not in str(error.value) and "http" not in str(error.value)
        before = len(server.log)
        assert deposit.reserve_into(note, server.base) == reserved
        deposit.send(archive, reserved)
        sent = {path.rsplit("/")[-1] for method, path, _ in server.log[before:] if "/files/" in path}
        # what had arrived, in the order of the names, is not sent again
        assert sent == {LARGE}
        assert server.stored(reserved["record"]) == content(archive)


def test_files_that_are_no_longer_in_the_archive_are_deleted(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base)
        deposit.send(archive, reserved)
        (archive / LARGE).unlink()
        (archive / SMALL).write_text("other")
        deposit.send(archive, reserved)
        assert server.stored(reserved["record"]) == content(archive)


def test_file_that_always_arrives_wrong_is_named(archive, tmp_path):
    with ZenodoServer(tmp_path / "store", {("PUT", LARGE): ["wrong"] * 9}) as server:
        reserved = deposit.reserve(server.base)
        with pytest.raises(InputError, match=f"{LARGE} could not be sent .*md5"):
            deposit.send(archive, reserved)


def test_publish_then_new_version(archive, tmp_path, capfd):
    note = tmp_path / "doi.json"
    with ZenodoServer(tmp_path / "store") as server:
        first = deposit.reserve_into(note, server.base)
        assert deposit.send(archive, first, publish=True)["state"] == "published"
        assert deposit.reserve_into(note, server.base) == first
        assert re.search("published and cannot change.*new_version_of", capfd.readouterr().err)
        assert deposit.send(archive, first)["state"] == "published"  # the same bytes
        (archive / SMALL).write_text("later")
        with pytest.raises(InputError, match="published and cannot change.*new_version_of"):
            deposit.send(archive, first, publish=True)
        second = with_doi(archive, deposit.reserve_into(note, server.base, first["doi"]))
        assert second["record"] != first["record"] and second["doi"] != first["doi"]
        assert deposit.reserve_into(note, server.base, first["doi"]) == second
        deposit.send(archive, second)
        posted = [path for method, path, _ in server.log if method == "POST"]
        assert posted[-1].endswith(f"/{first['record']}/actions/newversion")
        assert server.stored(second["record"]) == content(archive)


PUBLISH = ("POST", "publish")
LOST = {
    "answer lost": {PUBLISH: ["late"]},
    "answered by a gateway": {PUBLISH: ["late 504"]},
    "answered with 500": {PUBLISH: ["late 500"]},
    "answered with a page": {PUBLISH: ["late 200"]},
    "refused after it was done": {PUBLISH: ["late", (409, {}), (403, {})]},
    "not done at first": {PUBLISH: ["drop", (503, {}), "late"]},
    "not found after it was done": {PUBLISH: ["late 404"]},
    "record not there at once": {PUBLISH: ["late"], ("GET", "/records/1000"): [(404, {})]},
    "record answered late": {PUBLISH: ["late"], ("GET", "/records/1000"): ["drop", (503, {}), "html"]},
    "quota spent": {PUBLISH: [(429, SOON), "late 429"]},
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_to_publish_is_made_good(name, archive, tmp_path):
    with ZenodoServer(tmp_path / "store", LOST[name]) as server:
        reserved = deposit.reserve(server.base)
        assert deposit.send(archive, reserved, publish=True)["state"] == "published"
        assert deposit.send(archive, reserved, publish=True)["state"] == "published"
        assert server.stored(1000) == content(archive)


def test_a_run_that_ended_before_the_answer_is_gone_on_with(archive, tmp_path):
    note = tmp_path / "doi.json"
    with ZenodoServer(
        tmp_path / "store", {PUBLISH: ["late"], ("GET", "/records/1000"): [(500, {})] * 8}
    ) as server:
        reserved = deposit.reserve_into(note, server.base)
        with pytest.raises(InputError, match="record 1000 could not be read .*rerun"):
            deposit.send(archive, reserved, publish=True)
        sent = deposit.send(archive, deposit.reserve_into(note, server.base), publish=True)
        assert sent["state"] == "published" and "/records/1000" in sent["address"]


def test_a_record_published_with_other_files_is_not_ours(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base)
        deposit.send(archive, reserved)
        server._mocked("PUT", "/api/files/1000/extra.txt", b"put there by hand")
        server.faults = {PUBLISH: ["late"]}
        server._mocked("POST", "/api/deposit/depositions/1000/actions/publish")
        with pytest.raises(InputError, match="is not what was published"):
            deposit.send(archive, reserved, publish=True)


REASON = {
    "message": "Validation error.",
    "errors": [{"field": "metadata.license", "messages": ["Invalid licence"]}],
}
REFUSED = {
    "metadata": ("PUT", "/depositions/1000"),
    "upload": ("PUT", SMALL),
    "publish": PUBLISH,
    "draft": ("GET", "/depositions/1000"),
}


@pytest.mark.parametrize("code", [400, 401, 403, 409, 413, 422, 500])
@pytest.mark.parametrize("step", REFUSED)
def test_the_reason_of_the_server_is_told(step, code, archive, tmp_path):
    body = json.dumps(REASON).encode()
    with ZenodoServer(tmp_path / "store", {REFUSED[step]: [(code, {}, body)] * 99}) as server:
        reserved = deposit.reserve(server.base)
        with pytest.raises(InputError) as error:
            deposit.send(archive, reserved, publish=True)
        text = str(error.value)
        assert f"HTTP status {code}" in text and "Invalid licence" in text and "Validation error." in text
        assert ("rerun" in text) == (code == 500)
        assert ("ZENODO_SANDBOX_TOKEN" in text) == (code in (401, 403) and step != "upload")
        assert "\n" not in text and text.endswith(".")
        assert server.injected == (8 if code == 500 else 1)


def test_the_reason_does_not_repeat_the_token(archive, tmp_path, capfd):
    body = json.dumps({"message": f"Bearer {TOKEN} lacks a scope"}).encode()
    with ZenodoServer(tmp_path / "store", {("POST", "/depositions"): [(403, {}, body)]}) as server:
        with pytest.raises(InputError, match="Bearer … lacks a scope") as error:
            deposit.reserve(server.base)
    assert TOKEN not in str(error.value) + "".join(capfd.readouterr())


def test_a_new_version_that_is_refused_says_why(archive, tmp_path):
    body = b'{"message": "Please remove all files first"}'
    with ZenodoServer(tmp_path / "store", {("POST", "newversion"): [(400, {}, body)]}) as server:
        with pytest.raises(
            InputError, match="a new version could not be made .*remove all files first"
        ) as error:
            deposit.reserve(server.base, "10.5072/zenodo.7")
    assert "rerun" not in str(error.value)


def reserving(**changes):
    """Answer to the making of a draft, with changes."""
    answer = {"id": 1, "metadata": {"prereserve_doi": {"doi": "10.5072/zenodo.1"}}}
    return json.dumps(answer | changes).encode()


ODD = {
    "list": b"[]",
    "nothing in it": b"{}",
    "number": b"7",
    "null": b"null",
    "text": b'"text"',
    "nested": b"[" * 99_999,
    "no DOI": b'{"id": 1}',
    "id in words": reserving(id="x"),
    "id below zero": reserving(id=-1),
    "no id": reserving(id=None),
    "number for metadata": reserving(metadata=7),
    "number for a DOI": reserving(metadata={"prereserve_doi": {"doi": 5}}),
    "command in a DOI": reserving(metadata={"prereserve_doi": {"doi": "10.5072/x}\\input{y}"}}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_draft_is_one_sentence(name, tmp_path):
    with ZenodoServer(tmp_path / "store", {("POST", "/depositions"): [ODD[name]] * 9}) as server:
        with pytest.raises(InputError) as error:
            deposit.reserve_into(tmp_path / "doi.json", server.base)
    assert "\n" not in str(error.value) and not (tmp_path / "doi.json").exists()


@pytest.mark.parametrize(
    "answer",
    [
        b'{"files": 7, "links": {}}',
        b'{"files": [7], "links": {}}',
        b'{"files": [{"key": "a"}], "links": {}}',
        b'{"files": [{"key": "a", "id": 1, "size": 1, "checksum": 5}], "links": {}}',
        b'{"links": {"bucket": "x"}}',
        b'{"files": [], "links": {}}',
        b'{"files": [], "links": 3}',
        b'{"files": [], "links": {"bucket": 3}}',
        b'{"files": [], "links": {"bucket": "https://elsewhere.example/api/files/1"}}',
        b'{"files": [], "links": {"bucket": "http://[broken"}}',
    ],
)
def test_an_odd_answer_while_sending_is_one_sentence(answer, archive, tmp_path):
    with ZenodoServer(tmp_path / "store", {("GET", "/depositions/1000"): [answer]}) as server:
        reserved = deposit.reserve(server.base)
        with pytest.raises(InputError) as error:
            deposit.send(archive, reserved)
        assert server.stored(1000) == {}
    assert "\n" not in str(error.value)


def test_a_file_of_somebody_else_in_the_draft_stays(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base)
        deposit.send(archive, reserved)
        server._mocked("PUT", "/api/files/1000/theirs.txt", b"put there by hand")
        (archive / SMALL).write_text("later")
        with pytest.raises(
            InputError, match="draft 1000 holds theirs.txt, which was not sent from this clone"
        ):
            deposit.send(archive, reserved)
        assert server.stored(1000)["theirs.txt"] == b"put there by hand"
        assert server.stored(1000)[SMALL] == b"read me"  # nothing was begun
        server._mocked("DELETE", "/api/deposit/depositions/1000/files/theirs.txt")
        deposit.send(archive, reserved)
        assert server.stored(1000) == content(archive)


@pytest.mark.parametrize("change", ["replaced", "removed"])
@pytest.mark.parametrize("note", ["none", "damaged", "of another draft", "of other types"])
def test_a_draft_of_another_clone_is_left_as_it_is(change, note, archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base)
        deposit.send(archive, reserved)
        before = server.stored(1000)
        other = tmp_path / "other" / "archive"
        other.parent.mkdir()
        archive.rename(other)
        (other / LARGE).unlink() if change == "removed" else (other / LARGE).write_bytes(b"other")
        path, sent = other.parent / deposit._NOTE, (tmp_path / deposit._NOTE).read_text()
        contents = {"damaged": "{", "of another draft": sent.replace("1000", "1001"), "of other types": "[7]"}
        if note in contents:
            path.write_text(contents[note])
        with pytest.raises(InputError, match=f"holds {LARGE}, which was not sent from this clone"):
            deposit.send(other, reserved, publish=True)
        assert server.stored(1000) == before


def test_the_same_archive_from_another_clone_goes_on(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base)
        deposit.send(archive, reserved)
        (tmp_path / deposit._NOTE).unlink()
        assert deposit.send(archive, reserved, publish=True)["state"] == "published"


def test_copies_of_the_version_before_may_go(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        first = deposit.reserve(server.base)
        deposit.send(archive, first, publish=True)
        (tmp_path / deposit._NOTE).unlink()
        second = with_doi(archive, deposit.reserve(server.base, first["doi"]))
        (archive / LARGE).unlink()
        (archive / SMALL).write_text("second")
        deposit.send(archive, second)
        assert server.stored(second["record"]) == content(archive)
        server._mocked("PUT", f"/api/files/{second['record']}/theirs.txt", b"put there by hand")
        with pytest.raises(InputError, match="holds theirs.txt"):
            deposit.send(archive, second)


def test_what_arrived_wrong_in_an_earlier_run_is_replaced(archive, tmp_path):
    with ZenodoServer(tmp_path / "store", {("PUT", LARGE): ["wrong"] * 3}) as server:
        reserved = deposit.reserve(server.base)
        with pytest.raises(InputError, match=LARGE):
            deposit.send(archive, reserved)
        deposit.send(archive, reserved)
        assert server.stored(1000) == content(archive)


GOOD = {
    "server": "https://sandbox.zenodo.org",
    "record": 1000,
    "doi": "10.5072/zenodo.1000",
    "new_version_of": None,
}
RESERVATIONS = {
    "command in the DOI": GOOD | {"doi": r"10.5072/zenodo.1000}\input{/etc/passwd}"},
    "command for a DOI": GOOD | {"doi": r"\input{x}"},
    "line end behind the DOI": GOOD | {"doi": "10.5072/zenodo.1000\n"},
    "no DOI": GOOD | {"doi": "zenodo.1000"},
    "number for a DOI": GOOD | {"doi": 10.5072},
    "DOI missing": {key: value for key, value in GOOD.items() if key != "doi"},
    "record in words": GOOD | {"record": "1000/../1"},
    "record as a truth": GOOD | {"record": True},
    "record with a point": GOOD | {"record": 1000.0},
    "record below one": GOOD | {"record": 0},
    "record without end": GOOD | {"record": 10**30},
    "no server": GOOD | {"server": None},
    "file for a server": GOOD | {"server": "file:///etc"},
    "server with a password": GOOD | {"server": "https://me:secret@zenodo.org"},
    "server with a blank": GOOD | {"server": "https://zenodo.org/ x"},
    "version of a list": GOOD | {"new_version_of": ["x"]},
    "version with a line end": GOOD | {"new_version_of": "10.5072/zenodo.1\n"},
    "list": [GOOD],
    "null": None,
}


@pytest.mark.parametrize("name", RESERVATIONS)
def test_a_reservation_of_another_form_is_refused(name, tmp_path):
    (tmp_path / "doi.json").write_text(json.dumps(RESERVATIONS[name]))
    with pytest.raises(InputError, match="doi.json is no reservation of a DOI, its .*: delete it") as error:
        deposit.reserve_into(tmp_path / "doi.json", "http://127.0.0.1:9")
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize("text", ["", "{", "\xff", "[" * 99_999, '{"record": ' + "9" * 5000 + "}"])
def test_a_reservation_that_is_no_json_is_refused(text, tmp_path):
    (tmp_path / "doi.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="doi.json is not valid JSON") as error:
        deposit.reserve_into(tmp_path / "doi.json", "http://127.0.0.1:9")
    assert "\n" not in str(error.value)


def test_good_reservations_pass(tmp_path):
    for known in (GOOD, GOOD | {"server": "http://127.0.0.1:8080", "new_version_of": "10.5281/zenodo.7"}):
        assert deposit.check_reservation(known, "x", "y") == known


CITATIONS = {
    "empty": "",
    "no YAML": "[",
    "control character": "\x00",
    "title alone": "title: x",
    "licence in a list": CITATION.replace("license: MIT", "license: [MIT]"),
    "nobody": CITATION.replace("authors:", "people:"),
    "number for authors": CITATION.replace("authors:", "authors: 7\nx:"),
}


@pytest.mark.parametrize("name", CITATIONS)
def test_a_citation_that_lacks_something_is_one_sentence(name, archive, tmp_path):
    (archive / "CITATION.cff").write_text(CITATIONS[name])
    with ZenodoServer(tmp_path / "store") as server:
        with pytest.raises(InputError, match="lack what a deposit needs") as error:
            deposit.send(archive, deposit.reserve(server.base))
        assert server.stored(1000) == {}
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", ["drop", (500, {}), (503, {}), "html", (404, {}), (400, {})])
def test_what_cannot_be_brought_was_not_to_be_sent(fault, archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        sent = deposit.send(archive, deposit.reserve(server.base), publish=True)
        server.faults = {("GET", "/records/1000"): [fault] * 9, ("GET", "/depositions/1000"): [fault] * 9}
        with pytest.raises(InputError, match="1000 could not be read") as error:
            deposit.fetch(sent["doi"], server.base, tmp_path / "back")
    assert "sent" not in str(error.value)
    assert ("rerun" in str(error.value)) == (fault not in ((404, {}), (400, {})))


def test_archive_built_before_its_doi_is_not_sent(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server:
        reserved = deposit.reserve(server.base) | {"doi": "10.5072/zenodo.77"}
        with pytest.raises(InputError, match="built without it: run snakemake deposit again"):
            deposit.send(archive, reserved)
        assert server.stored(1000) == {}


def test_no_token_is_one_sentence_and_nothing_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("ZENODO_SANDBOX_TOKEN")
    with ZenodoServer(tmp_path / "store") as server:
        with pytest.raises(InputError) as error:
            deposit.reserve(server.base)
        assert server.log == []
    for words in (
        "ZENODO_SANDBOX_TOKEN",
        "deposit:write",
        "deposit:actions",
        "/tokens/new/",
        "nothing was sent",
    ):
        assert words in str(error.value)
    with pytest.raises(InputError, match=r"^the environment variable ZENODO_TOKEN is not set"):
        deposit.reserve("https://zenodo.org")


def test_refused_token_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("ZENODO_SANDBOX_TOKEN", "wr0ng-t0ken")
    with ZenodoServer(tmp_path / "store") as server:
        with pytest.raises(InputError, match="refuses the token in ZENODO_SANDBOX_TOKEN") as error:
            deposit.reserve(server.base)
        assert len(server.log) == 1
    assert "wr0ng-t0ken" not in str(error.value)


def test_token_is_for_the_configured_server_only(archive, tmp_path):
    with ZenodoServer(tmp_path / "store") as server, ZenodoServer(tmp_path / "other") as other:
        zenodo = deposit._Zenodo(server.base)
        with pytest.raises(InputError, match="another server"):
            zenodo.upload(f"{other.base}/api/files/1000", archive / SMALL, "0", None)
        assert other.log == []
        with pytest.raises(InputError, match="401|could not"):
            zenodo._ask("x", f"{other.base}/api/deposit/depositions", json={})
        assert all("Authorization" not in headers for _, _, headers in other.log)


@pytest.mark.parametrize("publish", [True, False])
def test_fetch_brings_back_the_same_bytes(publish, archive, tmp_path):
    faults = {("GET", LARGE): ["drop", (429, SOON), (500, {})], ("GET", "/content"): ["drop", (503, {})]}
    with ZenodoServer(tmp_path / "store", faults) as server:
        sent = deposit.send(archive, deposit.reserve(server.base), publish)
        for reference in (
            sent["doi"],
            f"https://doi.org/{sent['doi']}",
            sent["address"],
            str(sent["record"]),
        ):
            deposit.fetch(reference, server.base, tmp_path / "back")
            assert content(tmp_path / "back") == content(archive)


def test_draft_without_token_says_what_is_needed(archive, tmp_path, monkeypatch):
    with ZenodoServer(tmp_path / "store") as server:
        sent = deposit.send(archive, deposit.reserve(server.base))
        monkeypatch.delenv("ZENODO_SANDBOX_TOKEN")
        with pytest.raises(InputError, match="no public record 1000.*ZENODO_SANDBOX_TOKEN"):
            deposit.fetch(sent["doi"], server.base, tmp_path / "back")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("10.5281/zenodo.42", ("https://zenodo.org", 42)),
        ("https://doi.org/10.5072/zenodo.43", ("https://sandbox.zenodo.org", 43)),
        ("doi:10.5281/ZENODO.44", ("https://zenodo.org", 44)),
        ("https://zenodo.org/records/45", ("https://zenodo.org", 45)),
        ("https://sandbox.zenodo.org/uploads/46", ("https://sandbox.zenodo.org", 46)),
        ("47", ("https://sandbox.zenodo.org", 47)),
    ],
)
def test_references(reference, expected):
    assert deposit.record_of(reference, "https://sandbox.zenodo.org") == expected


@pytest.mark.parametrize(
    "reference", ["", "nowhere", "10.1000/xyz", "/no/such/folder", "https://zenodo.org/"]
)
def test_other_references_are_refused(reference):
    with pytest.raises(InputError, match=re.escape("neither a folder")):
        deposit.record_of(reference, "https://sandbox.zenodo.org")
