"""Archives that were damaged, or made to do damage: named, and nothing is installed."""

import hashlib
import io
import json
import os
import tarfile

import pyarrow as pa
import pytest
from archives import PRODUCTS, make_archive

from xpsvae.archive import restore
from xpsvae.errors import InputError

TAR = "small-products.tar.zst"


@pytest.fixture
def made(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    rules = make_archive(tmp_path / "archive", tmp_path / "project", monkeypatch)
    return tmp_path / "archive", rules


def installed(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def rewrite(folder, members, extra=()):
    """Replace the tar, and what the manifest says of it, as somebody would who means harm."""
    with (
        pa.CompressedOutputStream(str(folder / TAR), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member, content in extra:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    accept(folder, TAR)


def accept(folder, name, change=lambda manifest: None):
    path = folder / "MANIFEST.json"
    manifest = json.loads(path.read_text())
    content = (folder / name).read_bytes()
    entry = next(entry for entry in manifest["files"] if entry["path"] == name)
    entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    change(manifest)
    path.write_text(json.dumps(manifest))


def small():
    return {f"results/{name}": content for name, content in PRODUCTS.items() if len(content) < 20_000}


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_products_come_back(made, tmp_path):
    folder, rules = made
    names = restore.install(folder, tmp_path / "root", restore.check(folder), rules)
    assert installed(tmp_path / "root") == PRODUCTS
    assert names == sorted(PRODUCTS)


NAMES = [
    TAR,
    "catalog--coefficients.npy",
    "ro-crate-metadata.json",
    "README.md",
    "LICENSE",
    "provenance.json",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "one bit", "link"])
def test_damaged_file_is_named(name, damage, made, tmp_path):
    folder, _ = made
    path, content = folder / name, (folder / name).read_bytes()
    path.unlink()
    if damage == "link":
        (tmp_path / "outside").write_bytes(content)
        path.symlink_to(tmp_path / "outside")
    elif damage != "missing":
        at = len(content) // 2
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        path.write_bytes({"cut": content[:-1], "longer": content + b"\0", "one bit": flipped}[damage])
    with pytest.raises(InputError, match=f"{name} .*nothing was installed") as error:
        restore.check(folder)
    assert "\n" not in str(error.value)


HARM = {
    "absolute": member("/tmp/xpsvae-harm"),
    "upwards": member("results/../../xpsvae-harm"),
    "upwards in the sources": member("workflow/../../xpsvae-harm"),
    "symbolic link": member("results/paper/ms.pdf", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": member("results/paper/ms.pdf", tarfile.LNKTYPE, "results/provenance.json"),
    "folder": member("results/catalog", tarfile.DIRTYPE),
    "device": member("results/null", tarfile.CHRTYPE),
    "unknown": member("results/catalog/other.parquet"),
    "second of its name": member("results/paper/ms.pdf"),
}


@pytest.mark.parametrize("name", HARM)
def test_member_that_means_harm_installs_nothing(name, made, tmp_path):
    folder, rules = made
    rewrite(folder, small(), [(HARM[name], b"")])
    root = tmp_path / "a" / "b" / "root"
    if name == "upwards in the sources":  # sources are never unpacked
        restore.install(folder, root, restore.check(folder), rules)
        assert installed(root) == PRODUCTS
    else:
        with pytest.raises(InputError, match="nothing was installed"):
            restore.install(folder, root, restore.check(folder), rules)
        assert installed(root) == {}
    assert not list(tmp_path.rglob("xpsvae-harm")) and not os.path.exists("/tmp/xpsvae-harm")


@pytest.mark.parametrize("case", ["other bytes", "absent", "no tar", "cut"])
def test_product_that_is_not_what_the_manifest_says(case, made, tmp_path):
    folder, rules = made
    if case == "other bytes":
        rewrite(folder, small() | {"results/paper/ms.pdf": b"%PDF pap3r"})
    elif case == "absent":
        rewrite(folder, {name: content for name, content in small().items() if "ms.pdf" not in name})
    else:
        content = (folder / TAR).read_bytes()
        (folder / TAR).write_bytes(b"no tar at all" if case == "no tar" else content[: len(content) // 2])
        accept(folder, TAR)
    with pytest.raises(InputError, match="nothing was installed"):
        restore.install(folder, tmp_path / "root", restore.check(folder), rules)
    assert installed(tmp_path / "root") == {}


@pytest.mark.parametrize("path", ["../outside", "/tmp/xpsvae-harm", "catalog/other.parquet"])
def test_manifest_with_another_place_installs_nothing(path, made, tmp_path):
    folder, rules = made
    accept(folder, TAR, lambda manifest: manifest["products"][0].update(path=path))
    with pytest.raises(InputError, match="nothing was installed"):
        restore.install(folder, tmp_path / "root", restore.check(folder), rules)
    assert installed(tmp_path / "root") == {}


@pytest.mark.parametrize("stored", ["../archive/README.md", "/etc/passwd", "absent.npy"])
def test_manifest_with_another_file_is_refused(stored, made):
    folder, _ = made
    accept(folder, TAR, lambda manifest: manifest["products"][0].update(stored=stored))
    with pytest.raises(InputError, match="nothing was installed"):
        restore.check(folder)


@pytest.mark.parametrize("key", ["format", "products", "files", "rules"])
def test_manifest_without_a_key(key, made):
    folder, _ = made
    accept(folder, TAR, lambda manifest: manifest.pop(key))
    with pytest.raises(InputError, match=f"lacks '{key}'"):
        restore.check(folder)


def put(content, place, value):
    *places, last = place
    for each in places:
        content = content[each]
    content[last] = value


TYPES = {
    "list": ([], []),
    "text": ([], "manifest"),
    "null": ([], None),
    "commit": (["commit"], 5),
    "files": (["files"], {}),
    "file": (["files", 0], "README.md"),
    "name": (["files", 0, "path"], 5),
    "names": (["files", 0, "path"], ["README.md"]),
    "size in words": (["files", 0, "size"], "5"),
    "size below zero": (["files", 0, "size"], -1),
    "size as a truth": (["files", 0, "size"], True),
    "no size": (["files", 0, "size"], None),
    "short hash": (["files", 0, "sha256"], "ab"),
    "hash with a line end": (["files", 0, "sha256"], "a" * 64 + "\n"),
    "product": (["products", 1], 5),
    "place": (["products", 1, "path"], None),
    "stored": (["products", 1, "stored"], 7),
    "rule of a product": (["products", 1, "rule"], ["x"]),
    "rules": (["rules"], None),
    "rule": (["rules", 0, "rule"], 1),
    "code": (["rules", 0, "code"], ["src/module.py"]),
    "hash of code": (["rules", 0, "code"], {"src/module.py": 5}),
    "outputs": (["rules", 0, "outputs"], "x"),
    "params": (["rules", 0, "params"], []),
    "another format": (["format"], 99),
    "format of another type": (["format"], ["1"]),
}


@pytest.mark.parametrize("name", TYPES)
def test_manifest_of_other_types_is_one_sentence(name, made):
    folder, _ = made
    place, value = TYPES[name]
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    if place:
        put(manifest, place, value)
    (folder / "MANIFEST.json").write_text(json.dumps(manifest if place else value))
    with pytest.raises(InputError, match="MANIFEST.json .*nothing was installed") as error:
        restore.check(folder)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize("text", ["", "{", "\xff\xfe", "[" * 99_999, '{"format": ' + "9" * 5000 + "}"])
def test_manifest_that_is_no_json_is_one_sentence(text, made):
    folder, _ = made
    (folder / "MANIFEST.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="MANIFEST.json is not valid JSON") as error:
        restore.check(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["README.md\n", "a/../README.md", ".hidden", ""])
def test_manifest_with_an_odd_name_is_one_sentence(name, made):
    folder, _ = made
    accept(folder, TAR, lambda manifest: manifest["files"][0].update(path=name))
    with pytest.raises(InputError, match="nothing was installed") as error:
        restore.check(folder)
    assert "\n" not in str(error.value)


class Zeros(io.RawIOBase):
    """Bytes of a bomb."""

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def pax(info, **headers):
    info.pax_headers = headers
    return info


BOMBS = {
    "one large source": [(member("workflow/src/a.py"), 3 << 20)],
    "many sources": [(member(f"workflow/src/{number}.py"), 1 << 16) for number in range(40)],
    "long name": [(member("workflow/" + "a" * (3 << 20)), 0)],
    "long attribute": [(pax(member("workflow/a.py"), comment="a" * (3 << 20)), 0)],
}


@pytest.mark.parametrize("name", BOMBS)
def test_more_sources_than_any_workflow_has_install_nothing(name, made, tmp_path, monkeypatch):
    folder, rules = made
    monkeypatch.setattr(restore, "_LARGEST_SOURCES", 2 << 20)
    with (
        pa.CompressedOutputStream(str(folder / TAR), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, size in BOMBS[name]:
            info.size = size
            tar.addfile(info, io.BufferedReader(Zeros()))
    accept(folder, TAR)
    with pytest.raises(InputError, match="unpacks to more than .*nothing was installed"):
        restore.install(folder, tmp_path / "root", restore.check(folder), rules)
    assert installed(tmp_path / "root") == {}


def heads(folder):
    """Heads of members that no program writes: name -> bytes of a tar."""

    def chained():
        info = tarfile.TarInfo("a")
        info.type, info.size = tarfile.XHDTYPE, 12
        return (info.tobuf() + b"11 a=bcdef\n\n".ljust(512, b"\0")) * 3000

    def sparse(realsize):
        info = tarfile.TarInfo("results/paper/ms.pdf")
        info.size, info.pax_headers = 512, {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": info.name,
            "GNU.sparse.realsize": realsize,
        }  # fmt: skip
        return info.tobuf(tarfile.PAX_FORMAT) + b"1\n0\n0\n".ljust(512, b"\0")

    def size(field):
        raw = bytearray(tarfile.TarInfo("results/paper/ms.pdf").tobuf())
        raw[124:136] = field
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw[:512])
        return bytes(raw)

    return {
        "chain of attributes": chained(),
        "sparse file": sparse("1099511627776"),
        "sparse file in words": sparse("many"),
        "size below zero": size(b"\xff" * 12),
        "size without end": size(b"\x80" + b"\xff" * 11),
        "size in words": size(b"many".ljust(12, b"\0")),
        "noise": bytes(range(256)) * 40,
    }


@pytest.mark.parametrize("name", heads(None))
def test_heads_that_no_program_writes_install_nothing(name, made, tmp_path):
    folder, rules = made
    with pa.CompressedOutputStream(str(folder / TAR), "zstd") as stream:
        stream.write(heads(folder)[name] + bytes(10_240))
    accept(folder, TAR)
    with pytest.raises(InputError, match="nothing was installed") as error:
        restore.install(folder, tmp_path / "root", restore.check(folder), rules)
    assert installed(tmp_path / "root") == {} and "\n" not in str(error.value)


def test_a_product_too_large_for_the_tar_installs_nothing(made, tmp_path):
    folder, rules = made

    def enlarge(manifest):
        entry = next(entry for entry in manifest["products"] if entry["stored"] == TAR)
        entry["size"] = 1 << 40

    accept(folder, TAR, enlarge)
    with pytest.raises(InputError, match="too many for small-products.tar.zst; nothing was installed"):
        restore.install(folder, tmp_path / "root", restore.check(folder), rules)


RESERVED = {
    "server": "https://sandbox.zenodo.org",
    "record": 7,
    "doi": "10.5072/zenodo.7",
    "new_version_of": None,
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"doi": r"10.5072/zenodo.7}\input{/etc/passwd}"}, "its doi is"),
        ({"doi": "10.5072/zenodo.7\n"}, "its doi is"),
        ({"record": "7"}, "its record is"),
        ({"server": "javascript:alert(1)"}, "its server is"),
        ({"new_version_of": {}}, "its new_version_of is"),
    ],
)
def test_the_reservation_in_an_archive_is_checked(changes, says, made, tmp_path):
    folder, rules = made
    content = json.dumps(RESERVED | changes).encode()
    rewrite(folder, small() | {"results/doi.json": content})
    digest = hashlib.sha256(content).hexdigest()
    entry = {"path": "doi.json", "size": len(content), "sha256": digest, "stored": TAR, "rule": None}
    accept(folder, TAR, lambda manifest: manifest["products"].append(entry))
    manifest = restore.check(folder)
    if says is None:
        assert "doi.json" in restore.install(folder, tmp_path / "root", manifest, rules)
        return
    with pytest.raises(InputError, match=f"doi.json of the archive is no .*{says}.*nothing was installed"):
        restore.install(folder, tmp_path / "root", manifest, rules)
    assert installed(tmp_path / "root") == {}


def test_folder_without_manifest(tmp_path):
    with pytest.raises(InputError, match="has no MANIFEST.json"):
        restore.check(tmp_path)


def changed(rules, name, **changes):
    return [rule | (changes if rule["rule"] == name else {}) for rule in rules]


def test_nothing_is_outdated_in_the_same_workflow(made):
    folder, rules = made
    assert restore.outdated_rules(restore.check(folder), rules) == {}


def test_other_code_leaves_out_its_products_and_what_hangs_on_them(made, tmp_path):
    folder, rules = made
    code = dict(next(rule["code"] for rule in rules if rule["rule"] == "train_svae"))
    code["src/module.py"] = "0" * 64
    later = changed(rules, "train_svae", code=code)
    outdated = restore.outdated_rules(restore.check(folder), later)
    assert list(outdated) == ["train_svae", "fig_kiel", "build_paper"]
    assert outdated["train_svae"] == "src/module.py has changed"
    assert outdated["build_paper"] == "reads from fig_kiel"
    restore.install(folder, tmp_path / "root", restore.check(folder), later)
    figures = {"corrected/figures/bars.pdf", "only-latent/figures/bars.pdf"}
    expected = {"catalog/stars.parquet", "catalog/coefficients.npy", *figures}
    assert installed(tmp_path / "root").keys() == expected


def test_another_choice_leaves_out_what_the_variant_makes_by_it(made, tmp_path):
    folder, rules = made
    params = {"figure": "bars", "choices": {"latent": "mode"}}
    later = changed(rules, "fig_bars (only-latent)", params=params)
    assert list(restore.outdated_rules(restore.check(folder), later)) == ["fig_bars (only-latent)"]
    restore.install(folder, tmp_path / "root", restore.check(folder), later)
    assert installed(tmp_path / "root").keys() == PRODUCTS.keys() - {"only-latent/figures/bars.pdf"}


def test_other_code_of_a_job_for_each_shard_reaches_what_joins_them(made):
    folder, rules = made
    shards = rules[0] | {"rule": "encode", "outputs": ["parts/{number}.npy"], "inputs": []}
    join = rules[0] | {
        "rule": "join",
        "outputs": ["whole.npy"],
        "inputs": ["parts/1-of-2.npy", "parts/2-of-2.npy"],
    }
    manifest = restore.check(folder)
    manifest["rules"] += [shards, join]
    later = [*rules, shards | {"code": {"src/module.py": "0" * 64}}, join]
    assert list(restore.outdated_rules(manifest, later)) == ["encode", "join"]


def test_other_parameter_is_named(made):
    folder, rules = made
    later = changed(rules, "train_svae", params={"training": {"epochs": 4}})
    assert (
        restore.outdated_rules(restore.check(folder), later)["train_svae"]
        == "its parameter training has changed"
    )


def test_new_rule_is_outdated(made):
    folder, rules = made
    new = rules[0] | {"rule": "fig_new", "outputs": ["corrected/figures/new.pdf"], "inputs": []}
    assert restore.outdated_rules(restore.check(folder), [*rules, new]) == {"fig_new": "not in the archive"}
