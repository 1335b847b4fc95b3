"""Archives to Zenodo and back: every file is compared by MD5, and a failed run is gone on with by the next.

The token stands in the Authorization header of requests to the configured server alone. Not zenodo-client:
it puts the token into every URL, compares no checksum, retries nothing. Not rocrate-inveniordm: it sends each
file in one attempt, compares no checksum, reserves no DOI and makes no new versions.
"""

import hashlib
import html
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import yaml
from tqdm import tqdm

from xpsvae.archive.documents import check_reservation, read_document, read_reservation
from xpsvae.data import steady
from xpsvae.data.download import download
from xpsvae.data.manifest import Entry
from xpsvae.data.patience import Client, Failure, Undone, read_json
from xpsvae.errors import InputError
from xpsvae.products import write_json

__all__ = ["fetch", "metadata", "record_of", "reserve", "reserve_into", "send"]

_ZENODO, _SANDBOX = "https://zenodo.org", "https://sandbox.zenodo.org"
_SERVERS = {"10.5281": _ZENODO, "10.5072": _SANDBOX}  # by prefix of a DOI
_WRONG_COPIES = 3
_NOTE = ".sent-to-zenodo.json"  # beside the archive, which is deleted and made anew: MD5s that were sent
_READ = Undone("read", "check the network, then rerun.", "correct the record or the DOI that is asked for.")
_MADE = Undone("made", "check the network, then rerun.", "correct what the server refuses.")


def _reserved(reserved):
    return f"{reserved['doi']} is reserved: snakemake deposit puts it into the paper and sends the archive"


def _undone(done):
    kept = "the draft keeps what has arrived; "
    return Undone(done, f"{kept}rerun, which goes on from there.", f"{kept}correct what the server refuses.")


def reserve(server, new_version_of=None, known=None, client=None):
    """Make a draft, which reserves a DOI, or find the one that was made before.

    Parameters
    ----------
    server : str
    new_version_of : str, optional
        DOI of a published deposit that the draft is a new version of.
    known : dict, optional
        What an earlier call returned; its draft is used if it is there, even if published (see `send`).
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
    found = zenodo.draft(known["record"], missing=None) if same else None
    if found is not None:
        print(f"{_published(known) if _is_published(found) else _reserved(known)}.", file=sys.stderr)
        return known
    draft = zenodo.create(new_version_of)
    number, doi = draft.get("id"), zenodo.part(draft, "metadata", "prereserve_doi", "doi", kind=str)
    number = int(number) if re.fullmatch(r"\d{1,15}", str(number)) else number
    reserved = {"server": server, "record": number, "doi": doi, "new_version_of": new_version_of}
    check_reservation(reserved, f"the answer of {zenodo.server}", "check config key 'deposit.server'")
    print(f"{_reserved(reserved)}.", file=sys.stderr)
    return reserved


def reserve_into(path, server, new_version_of=None, client=None):
    """Reserve a DOI and note it in a file; what stands there already is gone on with (see `reserve`)."""
    known = read_reservation(path) if Path(path).is_file() else None
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
        If there is no token, the record is published with other files, the draft holds a file that is neither
        sent from here nor in the version before, or a file did not arrive as it is here.
    """
    folder, number = Path(folder), reserved["record"]
    zenodo, content = _Zenodo(reserved["server"], client), metadata(folder, reserved["doi"])
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    files = {path.name: (path.stat().st_size, _md5(path)) for path in paths}
    md5s = {name: md5 for name, (_, md5) in files.items()}
    draft = zenodo.draft(number, missing=None)
    if draft is None or _is_published(draft):
        # also where an earlier run asked for that and the answer was lost
        if zenodo.is_published(number, md5s):
            return _report(reserved, files, "published")
        if draft is None:
            raise InputError(
                f"{zenodo.server} has no draft {number}: delete doi.json and run snakemake reserve_doi."
            )
        raise InputError(f"the archive is not what was published: {_published(reserved)}.")
    if _manifest(folder).get("doi") != reserved["doi"]:
        raise InputError(
            f"{reserved['doi']} is reserved, but {folder} was built without it: run snakemake deposit again, "
            "which puts it into the paper and then sends the archive; no file was sent."
        )
    present, note = zenodo.files(draft), _Note(folder.parent / _NOTE, reserved)
    replaced = {name: found for name, found in present.items() if found["md5"] != md5s.get(name)}
    _refuse_foreign(zenodo, reserved, replaced, note)
    for name in sorted(replaced.keys() - files.keys()):
        zenodo.delete(number, replaced[name]["id"])
    missing = [path for path in paths if present.get(path.name, {}).get("md5") != md5s[path.name]]
    total = sum(files[path.name][0] for path in missing)
    with tqdm(total=total, unit="B", unit_scale=True, disable=None, desc="upload") as bar:
        for path in missing:
            note.add(path.name, md5s[path.name])
            zenodo.upload(
                zenodo.part(draft, "links", "bucket", kind=str), path, md5s[path.name], bar, note.add
            )
    zenodo.describe(number, content)
    arrived = {name: found["md5"] for name, found in zenodo.files(zenodo.draft(number)).items()}
    for name, md5 in md5s.items():
        if arrived.get(name) != md5:
            raise InputError(f"{name} is not in draft {number} as it is here: rerun, which sends it.")
    if publish:
        zenodo.publish(number, md5s)
    return _report(reserved, files, "published" if publish else "draft")


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
    manifest = _manifest(folder)
    try:
        citation = yaml.safe_load(Path(folder, "CITATION.cff").read_text(encoding="utf-8"))
        number = re.search(r"\d+$", doi)
        return {
            "title": f"{citation['title']} (dataset {manifest['dataset']})",
            "upload_type": "dataset",
            "description": (
                "<p>Products, paper and sources of one run of the workflow xpsvae at commit "
                f"{html.escape(manifest['commit'])}, dataset {html.escape(manifest['dataset'])}. "
                f"{html.escape(citation.get('abstract', ''))}</p>"
                "<p>README.md says what each file is, and how to work on with them.</p>"
            ),
            "creators": [_creator(person) for person in citation["authors"]],
            "license": citation["license"].lower(),
            "version": str(citation["version"]),
            "access_right": "open",
            "prereserve_doi": {"doi": doi} | ({"recid": int(number[0])} if number else {}),
            "related_identifiers": [
                {
                    "identifier": each["doi"],
                    "relation": "isSupplementTo",
                    "resource_type": "publication-article",
                }
                for each in citation.get("references", [])
                if "doi" in each
            ],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, yaml.YAMLError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:100]
        raise InputError(
            f"CITATION.cff and MANIFEST.json in {folder} lack what a deposit needs ({reason}): give "
            "the first title, version, license and authors, then run snakemake archive again."
        ) from error


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
            f"{site} has no public record {number}: correct --config restore_from=, or for a draft of yours, "
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
            draft = self._ask("a draft", self._depositions, _MADE, json={})
        else:
            # of a DOI for all versions the record says which is the newest
            number = record_of(new_version_of, self.server)[1]
            record = self.record(number) or {"id": number}
            address = f"{self._depositions}/{self.part(record, 'id')}/actions/newversion"
            answer = self._ask("a new version", address, _MADE, method="POST")
            latest = self._own(self.part(answer, "links", "latest_draft", kind=str))
            draft = self._ask("the new version", latest)
        if "prereserve_doi" not in self.part(draft, "metadata", kind=dict):
            draft = self.describe(self.part(draft, "id"), {"prereserve_doi": True})
        return draft

    def part(self, answer, *keys, kind=int | str):
        """Take a value out of an answer, or refuse that."""
        for key in keys:
            answer = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(answer, kind):
            lacking = ".".join(keys)
            raise InputError(f"the answer of {self.server} lacks {lacking}: it is no record of Zenodo.")
        return answer

    def draft(self, number, **missing):
        return self._ask(f"draft {number}", f"{self._depositions}/{number}", **missing)

    def record(self, number):
        return self._ask(f"record {number}", f"{self.server}/api/records/{number}", missing=None)

    def describe(self, number, content):
        return self._ask(
            f"the metadata of draft {number}",
            f"{self._depositions}/{number}",
            _undone("sent"),
            json={"metadata": content},
            method="PUT",
        )

    def publish(self, number, md5s):
        """Publish a draft; after a failure the record says whether that was done all the same."""
        address = f"{self._depositions}/{number}/actions/publish"
        done = lambda: self.is_published(number, md5s)  # noqa: E731
        self._ask(f"draft {number}", address, _undone("published"), done, method="POST")

    def is_published(self, number, md5s):
        """Whether a record is public and holds these files (name -> MD5) and no other."""
        answer = self.record(number)
        if answer is None:
            answer = self.draft(number, missing=None)
            if answer is None or not _is_published(answer):
                return False
        return {name: found["md5"] for name, found in self.files(answer).items()} == md5s

    def delete(self, number, file):
        address = f"{self._depositions}/{number}/files/{quote(str(file), safe='')}"
        self._ask(f"file {file} of draft {number}", address, _undone("deleted"), method="DELETE", missing={})

    def files(self, answer):
        """Files of a record or a draft: name -> size, md5, url, id."""
        found = {}
        try:
            for file in answer["files"]:
                name, links = str(file.get("key") or file["filename"]), file.get("links", {})
                address = links.get("self") if "key" in file else links.get("download")
                if "bucket" in answer["links"] and not answer.get("submitted"):
                    address = f"{answer['links']['bucket']}/{quote(name)}"
                found[name] = {
                    "size": file["size"] if "size" in file else file["filesize"],
                    "md5": (file["checksum"] or "").removeprefix("md5:"),  # none of one that is under way
                    "url": address,
                    "id": file["id"],
                }
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"the answer of {self.server} lacks {error}: it is no record of Zenodo."
            ) from None
        return found

    def upload(self, bucket, path, md5, bar, note=lambda name, md5: None):
        """Send a file; ``note`` is called with what arrived in its place."""
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
                    note(path.name, found)
                    raise Failure(f"it got md5 {found} where {md5} was sent", final=wrong >= _WRONG_COPIES)
            except BaseException:
                bar.update(before - bar.n)
                raise

        self.client.persist(path.name, [address], attempt, _undone("sent"))

    def _ask(self, what, url, undone=_READ, is_done=None, **request):
        answers = "missing" in request
        missing = request.pop("missing", None)

        def attempt(url):
            try:
                return self._answer(url, **request)
            except Failure as failure:
                if is_done and is_done():
                    return {}
                if answers and failure.status in (404, 410):
                    return missing
                if failure.status in (401, 403) and failure.final:
                    variable = _variable(self.server)
                    raise InputError(
                        f"{self.server} refuses the token in {variable} for {what} ({failure}): it needs the "
                        "scopes deposit:write and deposit:actions, and to be that of the owner."
                    ) from None
                raise

        return self.client.persist(what, [url], attempt, undone)

    def _answer(self, url, **request):
        with (
            steady.session() as session,
            self.client.open(session, url, good=(200, 201, 202, 204), **request) as response,
        ):
            answer = {} if response.status_code == 204 else read_json(response)
        if not isinstance(answer, dict):
            raise Failure("the answer is not a JSON object")
        return answer

    def _own(self, address):
        """Refuse an address elsewhere: data and token go to the configured server only."""
        try:
            own = urlsplit(address)[:2] == urlsplit(self.server)[:2]
        except ValueError:  # no address at all
            own = False
        if not own:
            raise InputError(f"{self.server} names an address on another server: nothing was sent there.")
        return address


def _is_published(draft):
    return bool(draft.get("submitted")) or draft.get("state") == "done"


def _published(reserved):
    return (
        f"record {reserved['record']} is published and cannot change: set config key "
        f"'deposit.new_version_of' to {reserved['doi']} for a new version"
    )


def _report(reserved, files, state):
    page = "records" if state == "published" else "uploads"
    return {
        "doi": reserved["doi"],
        "record": reserved["record"],
        "server": reserved["server"],
        "address": f"{reserved['server']}/{page}/{reserved['record']}",
        "state": state,
        "files": {name: {"size": size, "md5": md5} for name, (size, md5) in files.items()},
    }


def _refuse_foreign(zenodo, reserved, replaced, note):
    """Refuse to delete or replace what is neither sent from here nor kept in the version before."""
    foreign = {
        name: found["md5"] for name, found in replaced.items() if found["md5"] not in ("", *note.of(name))
    }
    if foreign and reserved.get("new_version_of"):  # a new version begins with copies of the earlier files
        earlier = zenodo.record(record_of(reserved["new_version_of"], zenodo.server)[1])
        copies = zenodo.files(earlier) if earlier else {}
        foreign = {name: md5 for name, md5 in foreign.items() if copies.get(name, {}).get("md5") != md5}
    if foreign:
        page = f"{zenodo.server}/uploads/{reserved['record']}"
        raise InputError(
            f"draft {reserved['record']} holds {min(foreign)}, which was not sent from this clone: delete it "
            f"at {page} if nobody needs it, or delete doi.json and run snakemake deposit for a draft of your "
            "own; no file was sent."
        )


class _Note:
    """What this clone has sent to a draft: name -> MD5s, kept in a file that no archive holds."""

    def __init__(self, path, reserved):
        self._path, self._draft = path, f"{reserved['server']} {reserved['record']}"

    def of(self, name):
        sent = self._read().get(self._draft, {}).get(name, [])
        return sent if isinstance(sent, list) else []

    def add(self, name, md5):
        noted = self._read()
        sent = noted.setdefault(self._draft, {}).setdefault(name, [])
        if md5 not in sent:
            sent.append(md5)
            write_json(self._path, noted)

    def _read(self):
        try:
            noted = read_document(self._path)
            return noted if all(isinstance(files, dict) for files in noted.values()) else {}
        except (InputError, AttributeError):  # there is none yet, or it is damaged: then nothing is deleted
            return {}


def _manifest(folder):
    manifest = read_document(Path(folder, "MANIFEST.json"))
    return manifest if isinstance(manifest, dict) else {}


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
