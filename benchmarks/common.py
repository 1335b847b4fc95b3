"""What the benchmarks share: where they ran, and how their result is written."""

import argparse
import json
import platform
from pathlib import Path


def machine():
    """Name the processor as the system does."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "CPU"


def count(text):
    """Take an argument of the command line that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def report(result, output=None):
    """Print a result as JSON, or write it to a file."""
    text = json.dumps(result, indent=2, sort_keys=True)
    if output:
        Path(output).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
