"""Take the pages at the top of the project into the site, with their links as seen from there."""

import re
from pathlib import Path

from mkdocs.structure.files import File

PROJECT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "ARCHITECTURE.md": None, "CONTRIBUTING.md": None, "CHANGELOG.md": None}


def on_files(files, config):
    """Add them to the site's files."""
    for name, target in PAGES.items():
        text = (PROJECT / name).read_text(encoding="utf-8").replace("](docs/", "](").replace('"docs/', '"')
        files.append(File.generated(config, target or name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Show pictures of benchmarks/ by their name: they lie outside of the site."""
    return re.sub(r"!\[([^]]*)\]\(\.\./benchmarks/[^)]*\)", r"*\1*: see benchmarks/.", markdown)
