"""How far coefficients, errors and latents move when they come from the sampled spectrum of the same star.

    python benchmarks/inverted.py FILE...

Files of real XP_CONTINUOUS spectra; the answer of datalink that astroquery carries is added. Prints a table.
"""

import argparse

import numpy as np

import xpsvae
from xpsvae.own_stars.card import inverted_shift, public_star


def main(paths):
    """Print one row a star, and one of all."""
    star = public_star()
    model = xpsvae.load(device="cpu")
    found = inverted_shift(model, [*([star] if star else []), *paths])
    print(
        "| star | within 1 σ | within 3 σ | orders 0–29, 1 σ | error, estimated / true | latents move by, σ |"
    )
    print("|---|---|---|---|---|---|")
    low = np.r_[:30, 55:85]
    for number, source_id in enumerate(found["source_id"]):
        moved, ratio = np.abs(found["coefficients"][number]), found["errors"][number]
        latents = ", ".join(f"{value:+.1f}" for value in found["latents"][number])
        print(
            f"| {source_id} | {(moved < 1).mean():.0%} | {(moved < 3).mean():.0%} | {(moved[low] < 1).mean():.0%} | "
            f"{np.median(ratio):.2f} ({np.percentile(ratio, 5):.2f} to {np.percentile(ratio, 95):.2f}) | {latents} |"
        )
    moved = np.abs(found["coefficients"])
    print(
        f"| all {len(moved)} | {(moved < 1).mean():.0%} | {(moved < 3).mean():.0%} | {(moved[:, low] < 1).mean():.0%}"
        f" | {np.median(found['errors']):.2f} | up to {np.abs(found['latents']).max():.1f} |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="FILE", help="XP_CONTINUOUS with coefficients")
    main(parser.parse_args().paths)
