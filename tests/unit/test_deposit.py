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


def test_publish_then_new_version(archive, tmp_path):
    note = tmp_path / "doi.json"
    with ZenodoServer(tmp_path / "store") as server:
        first = deposit.reserve_into(note, server.base)
        assert deposit.send(archive, first, publish=True)["state"] == "published"
        with pytest.raises(InputError, match="published and cannot change.*new_version_of"):
            deposit.reserve_into(note, server.base)
        second = with_doi(archive, deposit.reserve_into(note, server.base, first["doi"]))
        assert second["record"] != first["record"] and second["doi"] != first["doi"]
        assert deposit.reserve_into(note, server.base, first["doi"]) == second
        deposit.send(archive, second)
        posted = [path for method, path, _ in server.log if method == "POST"]
        assert posted[-1].endswith(f"/{first['record']}/actions/newversion")
        assert server.stored(second["record"]) == content(archive)


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
