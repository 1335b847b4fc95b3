"""Archives of a build: bundle (files, manifest), crate (RO-Crate), deposit (to Zenodo), restore (back)."""
