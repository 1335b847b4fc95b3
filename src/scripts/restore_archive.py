"""Bring an archive back from a folder or from Zenodo, and mark its products as up to date."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.archive import bundle, restore
    from xpsvae.provenance import PROJECT

    given, config = snakemake.params, snakemake.config
    rules = bundle.describe_rules(given.jobs, given.root, PROJECT)
    with restore.located(given.archive, given.root, config["deposit"]["server"]) as folder:
        manifest = restore.check(folder)
        installed = restore.install(folder, given.root, manifest, rules)
    restore.note(given.root, manifest, installed)
    restore.touch(PROJECT / "Snakefile", config)
    print(f"{len(installed)} products restored, made at commit {manifest['commit']}.")
    for rule, reason in restore.outdated_rules(manifest, rules).items():
        print(f"Not restored, will be made again: {rule} ({reason}).")
