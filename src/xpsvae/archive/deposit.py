"""Archives to Zenodo and back: every file is compared by MD5, and a failed run is gone on with by the next.

The token stands in the Authorization header of requests to the configured server alone. Not zenodo-client:
it puts the token into every URL, compares no checksum, retries nothing. Not rocrate-inveniordm: it sends each
file in one attempt, compares no checksum, reserves no DOI and makes no new versions.
"""

import hashlib
import html
import os
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
import yaml
from tqdm import tqdm

from xpsvae.data.download import download
from xpsvae.data.manifest import Entry
from xpsvae.data.patience import Client, Failure
from xpsvae.errors import InputError
from xpsvae.products import read_json, write_json

__all__ = ["fetch", "metadata", "record_of", "reserve", "reserve_into", "send"]

_ZENODO, _SANDBOX = "https://zenodo.org", "https://sandbox.zenodo.org"
_SERVERS = {"10.5281": _ZENODO, "10.5072": _SANDBOX}  # by prefix of a DOI
_UNDONE = "sent", "the draft keeps what has arrived; rerun, which goes on from there."
_WRONG_COPIES = 3


def reserve(server, new_version_of=None, known=None, client=None):
    """Make a draft, which reserves a DOI, or find the one that was made before.

    Parameters
    ----------
    server : str
    new_version_of : str, optional
        DOI of a published deposit that the draft is a new version of.
    known : dict, optional
        What an earlier call returned; its draft is used if it is still one.
    client : Client, optional

    Returns
    -------
    dict
        server, record (int), doi (str), new_version_of.

    Raises
    ------
    InputError
        If there is no token (nothing is sent then) or no draft can be made.
    """
    zenodo = _Zenodo(server, client)
    same = known and (known.get("server"), known.get("new_version_of")) == (server, new_version_of)
    draft = zenodo.draft(known["record"], missing=None) if same else None
    if draft is None:
        draft = zenodo.create(new_version_of)
    _refuse_published(draft, known)
    doi = draft["metadata"]["prereserve_doi"]["doi"]
    return {"server": server, "record": int(draft["id"]), "doi": doi, "new_version_of": new_version_of}


def reserve_into(path, server, new_version_of=None, client=None):
    """Reserve a DOI and note it in a file; what stands there already is gone on with (see `reserve`)."""
    known = read_json(path) if Path(path).is_file() else None
    reserved = reserve(server, new_version_of, known, client)
    if reserved != known:
        write_json(path, reserved)
    return reserved


def send(folder, reserved, publish=False, client=None):
    """Upload an archive to its draft; files that are there already, byte for byte, are not sent again.

    Parameters
    ----------
    folder : path-like
        Made by `bundle.build`.
    reserved : dict
        Output of `reserve`.
    publish : bool
        Publish at the end; this cannot be undone.
    client : Client, optional

    Returns
    -------
    dict
        doi, record, server, address, state (``"draft"`` or ``"published"``), files (name -> size and md5).

    Raises
    ------
    InputError
        If there is no token, or a file did not arrive as it is here.
    """
    folder = Path(folder)
    zenodo = _Zenodo(reserved["server"], client)
    draft = zenodo.draft(reserved["record"])
    _refuse_published(draft, reserved)
    if read_json(folder / "MANIFEST.json").get("doi") != reserved["doi"]:
        raise InputError(
            f"{reserved['doi']} is reserved, but {folder} was built without it: run snakemake deposit again, "
            "which puts it into the paper and then sends the archive; no file was sent."
        )
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    files = {path.name: (path.stat().st_size, _md5(path)) for path in paths}
    present = zenodo.files(draft)
    for name in sorted(present.keys() - files.keys()):
        zenodo.delete(reserved["record"], present[name]["id"])
    missing = [path for path in paths if present.get(path.name, {}).get("md5") != files[path.name][1]]
    total = sum(files[path.name][0] for path in missing)
    with tqdm(total=total, unit="B", unit_scale=True, disable=None, desc="upload") as bar:
        for path in missing:
            zenodo.upload(draft["links"]["bucket"], path, files[path.name][1], bar)
    zenodo.describe(reserved["record"], metadata(folder, reserved["doi"]))
    arrived = {name: found["md5"] for name, found in zenodo.files(zenodo.draft(reserved["record"])).items()}
    for name, (_, md5) in files.items():
        if arrived.get(name) != md5:
            raise InputError(
                f"{name} is not in draft {reserved['record']} as it is here: rerun, which sends it."
            )
    if publish:
        zenodo.publish(reserved["record"])
    page = "records" if publish else "uploads"
    return {
        "doi": reserved["doi"],
        "record": reserved["record"],
        "server": reserved["server"],
        "address": f"{reserved['server']}/{page}/{reserved['record']}",
        "state": "published" if publish else "draft",
        "files": {name: {"size": size, "md5": md5} for name, (size, md5) in files.items()},
    }


def metadata(folder, doi):
    """Metadata of a deposit, from the ``CITATION.cff`` and the manifest of an archive.

    Parameters
    ----------
    folder : path-like
    doi : str
        The reserved one.

    Returns
    -------
    dict
        As Zenodo's deposit API takes it.
    """
    citation = yaml.safe_load(Path(folder, "CITATION.cff").read_text(encoding="utf-8"))
    manifest = read_json(Path(folder, "MANIFEST.json"))
    description = (
        f"<p>Products, paper and sources of one run of the workflow xpsvae at commit {manifest['commit']}, "
        f"dataset {html.escape(manifest['dataset'])}. {html.escape(citation.get('abstract', ''))}</p>"
        "<p>README.md says what each file is, and how to work on with them.</p>"
    )
    return {
        "title": f"{citation['title']} (dataset {manifest['dataset']})",
        "upload_type": "dataset",
        "description": description,
        "creators": [_creator(person) for person in citation["authors"]],
        "license": citation["license"].lower(),
        "version": str(citation["version"]),
        "access_right": "open",
        "prereserve_doi": {"doi": doi, "recid": int(doi.rsplit(".", 1)[1])},
        "related_identifiers": [
            {"identifier": each["doi"], "relation": "isSupplementTo", "resource_type": "publication-article"}
            for each in citation.get("references", [])
            if "doi" in each
        ],
    }


def record_of(reference, server):
    """Find server and number of a record: from a DOI, the address of its page, or the number alone.

    Raises
    ------
    InputError
        If it is none of these.
    """
    text = str(reference).strip()
    if found := re.fullmatch(r"(?:https://doi\.org/|doi:)?(10\.\d+)/zenodo\.(\d+)", text, re.IGNORECASE):
        prefix, number = found.groups()
        # a server of one's own mints DOIs of the test prefix too
        official = server in _SERVERS.values() or prefix == "10.5281"
        return (_SERVERS.get(prefix, server) if official else server), int(number)
    if found := re.fullmatch(r"(https?://[^/]+)/(?:records?|uploads|deposit)/(\d+)/?", text):
        return found[1], int(found[2])
    if text.isdecimal():
        return server, int(text)
    raise InputError(
        f"{reference!r} is neither a folder that is here nor a DOI of Zenodo such as 10.5281/zenodo.1234567: "
        "correct --config restore_from=."
    )


def fetch(reference, server, folder, client=None):
    """Bring the files of a record, published or (with a token) still a draft, verified by their MD5.

    Parameters
    ----------
    reference : str
        See `record_of`.
    server : str
    folder : path-like
        What is there already and right is kept.
    client : Client, optional

    Raises
    ------
    InputError
        If it is not found, or a file does not arrive.
    """
    site, number = record_of(reference, server)
    trusted = site in (server, *_SERVERS.values())
    client = client or Client(token=_token(site) if trusted else None, site=site)
    zenodo = _Zenodo(site, client)
    if (answer := zenodo.record(number)) is not None:
        files = zenodo.files(answer)
    elif _token(site) is None:
        raise InputError(
            f"{site} has no public record {number}: correct --config restore_from=, or, for a draft of yours, "
            f"set the environment variable {_variable(site)}."
        )
    else:
        files = zenodo.files(zenodo.draft(number))
    if not files:
        raise InputError(f"record {number} at {site} holds no files: correct --config restore_from=.")
    entries = [
        Entry(name, found["url"], f"md5:{found['md5']}", found["size"]) for name, found in files.items()
    ]
    download(entries, folder, client=client)


class _Zenodo:
    """The few calls of Zenodo's deposit and records APIs that are needed here."""

    def __init__(self, server, client=None):
        self.server = server.rstrip("/")
        if client is None:
            token = _token(server)
            if token is None:
                raise InputError(
                    f"the environment variable {_variable(server)} is not set: make a token with the scopes "
                    f"deposit:write and deposit:actions at {self.server}/account/settings/applications/"
                    "tokens/new/ and export it; nothing was sent."
                )
            client = Client(token=token, site=self.server)
        self.client = client
        self._depositions = f"{self.server}/api/deposit/depositions"

    def create(self, new_version_of=None):
        if new_version_of is None:
            draft = self._ask("a draft", self._depositions, json={})
        else:
            # of a DOI for all versions the record says which is the newest
            number = record_of(new_version_of, self.server)[1]
            record = self.record(number) or {"id": number}
            address = f"{self._depositions}/{record['id']}/actions/newversion"
            answer = self._ask("a new version", address, method="POST")
            latest = self._own(answer["links"]["latest_draft"])
            draft = self._ask("the new version", latest)
        if "prereserve_doi" not in draft.get("metadata", {}):
            draft = self.describe(draft["id"], {"prereserve_doi": True})
        return draft

    def draft(self, number, **missing):
        return self._ask(f"draft {number}", f"{self._depositions}/{number}", **missing)

    def record(self, number):
        return self._ask(f"record {number}", f"{self.server}/api/records/{number}", missing=None)

    def describe(self, number, content):
        return self._ask(
            f"the metadata of draft {number}",
            f"{self._depositions}/{number}",
            json={"metadata": content},
            method="PUT",
        )

    def publish(self, number):
        return self._ask(f"draft {number}", f"{self._depositions}/{number}/actions/publish", method="POST")

    def delete(self, number, file):
        address = f"{self._depositions}/{number}/files/{quote(str(file), safe='')}"
        self._ask(f"draft {number}", address, method="DELETE", missing={})

    def files(self, answer):
        """Files of a record or a draft: name -> size, md5, url, id."""
        found = {}
        try:
            for file in answer["files"]:
                name, links = file.get("key") or file["filename"], file.get("links", {})
                address = links.get("self") if "key" in file else links.get("download")
                if "bucket" in answer["links"] and not answer.get("submitted"):
                    address = f"{answer['links']['bucket']}/{quote(name)}"
                found[name] = {
                    "size": file["size"] if "size" in file else file["filesize"],
                    "md5": file["checksum"].removeprefix("md5:"),
                    "url": address,
                    "id": file["id"],
                }
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"the answer of {self.server} lacks {error}: it is no record of Zenodo."
            ) from None
        return found

    def upload(self, bucket, path, md5, bar):
        wrong = 0
        address = f"{self._own(bucket)}/{quote(path.name)}"

        def attempt(url):
            nonlocal wrong
            before = bar.n
            try:
                with path.open("rb") as file:
                    answer = self._answer(url, method="PUT", form=_Counted(file, bar))
                found = str(answer.get("checksum", "")).removeprefix("md5:")
                if found != md5:
                    wrong += 1
                    raise Failure(f"it got md5 {found} where {md5} was sent", final=wrong >= _WRONG_COPIES)
            except BaseException:
                bar.update(before - bar.n)
                raise

        self.client.persist(path.name, [address], attempt, _UNDONE)

    def _ask(self, what, url, **request):
        answers = "missing" in request
        missing = request.pop("missing", None)

        def attempt(url):
            try:
                return self._answer(url, **request)
            except Failure as failure:
                if answers and failure.status in (404, 410):
                    return missing
                if failure.status in (401, 403):
                    raise InputError(
                        f"{self.server} refuses the token in {_variable(self.server)} (HTTP status "
                        f"{failure.status}): it needs the scopes deposit:write and deposit:actions."
                    ) from None
                raise

        return self.client.persist(what, [url], attempt, _UNDONE)

    def _answer(self, url, **request):
        with (
            requests.Session() as session,
            self.client.open(session, url, good=(200, 201, 202, 204), **request) as response,
        ):
            try:
                return response.json() if response.content else {}
            except ValueError as error:
                raise Failure("the answer is not JSON") from error

    def _own(self, address):
        """Refuse an address elsewhere: data and token go to the configured server only."""
        if urlsplit(address)[:2] != urlsplit(self.server)[:2]:
            raise InputError(f"{self.server} names an address on another server: nothing was sent there.")
        return address


def _refuse_published(draft, reserved):
    if draft.get("submitted") or draft.get("state") == "done":
        raise InputError(
            f"record {reserved['record']} is published and cannot change: set config key "
            f"'deposit.new_version_of' to {reserved['doi']} for a new version."
        )


class _Counted:
    """An open file whose reading moves a progress bar."""

    def __init__(self, file, bar):
        self._file, self._bar = file, bar
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self):
        return self._size

    def read(self, size=-1):
        chunk = self._file.read(size)
        self._bar.update(len(chunk))
        return chunk


def _variable(server):
    return "ZENODO_TOKEN" if server.rstrip("/") == _ZENODO else "ZENODO_SANDBOX_TOKEN"


def _token(server):
    token = os.environ.get(_variable(server), "").strip()
    if token and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InputError(f"{_variable(server)} holds blanks or characters no token has: export it again.")
    return token or None


def _creator(person):
    if "name" in person:
        return {"name": person["name"]}
    creator = {"name": f"{person['family-names']}, {person['given-names']}"}
    return creator | ({"orcid": person["orcid"].rsplit("/", 1)[1]} if "orcid" in person else {})


def _md5(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
