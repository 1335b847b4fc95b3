"""Let `snakemake --cores 8 --resources gpu=1 all` mean what it says.

Snakemake's `--resources` and `--config` take every word up to the next option, targets included, and then
refuse `all` because it is not NAME=VALUE. Logger plugins are imported before the command line is parsed;
this one moves such words in front of the options. It logs nothing and is never selected as a logger.
"""

import sys
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

GREEDY = {"--resources", "--res", "--set-resources", "--set-threads", "--set-scatter", "--config", "-C"}


def reorder(words):
    """Return command-line words with the targets that follow NAME=VALUE words moved to the front."""
    targets, kept, greedy = [], [], False
    for word in words:
        if word.startswith("-"):
            greedy = word in GREEDY
        # Snakemake encodes the values it hands to its own subprocesses as base64//…
        stray = greedy and not word.startswith(("-", "base64//")) and "=" not in word
        (targets if stray else kept).append(word)
    return targets + kept


class LogHandler(LogHandlerBase):
    """Required of a logger plugin; nothing selects it."""


if Path(sys.argv[0]).stem == "snakemake" or Path(sys.argv[0]).parts[-2:] == ("snakemake", "__main__.py"):
    sys.argv[1:] = reorder(sys.argv[1:])
