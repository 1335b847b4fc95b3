"""Time `coefficients_to_flux` beside `gaiaxpy.calibrate`, interleaved in one run.

OPENBLAS_NUM_THREADS=1 python benchmarks/flux.py [--stars 500] [--rounds 5] [--output FILE.json]

GaiaXPy is given a DataFrame in memory and propagates errors, too. `flux` is ours on the same spectra;
`flux_and_errors` adds the errors with full correlations, so that it is the same work.
"""

import argparse
import contextlib
import io
import time

import numpy as np
import pandas as pd
from common import count, machine, report

from xpsvae.xp import coefficients_to_flux, dr3_basis, flux_errors
from xpsvae.xp.basis import BANDS


def spectra(n_stars):
    """Make up spectra: coefficients and errors (n_stars, n_coefficients), and GaiaXPy's table of them."""
    basis = dr3_basis()
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(n_stars, basis.n_coefficients))
    errors = rng.uniform(0.1, 1, coefficients.shape)
    columns = {"source_id": np.arange(1, n_stars + 1)}
    for band, part in zip(BANDS, basis.slices, strict=True):
        width = part.stop - part.start
        columns |= {
            f"{band}_n_parameters": width,
            f"{band}_standard_deviation": 1.0,
            f"{band}_coefficients": list(coefficients[:, part]),
            f"{band}_coefficient_errors": list(errors[:, part]),
            f"{band}_coefficient_correlations": [np.eye(width)] * n_stars,
        }
    return coefficients, errors, pd.DataFrame(columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stars", type=count, default=500)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--output", help="JSON file to write; default: print")
    given = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # for its progress bars, which keep what they find here
        from gaiaxpy import calibrate
    coefficients, errors, table = spectra(given.stars)
    width = dr3_basis().slices[0].stop
    correlations = np.zeros((given.stars, len(BANDS), width * (width - 1) // 2))

    def gaiaxpy():
        with contextlib.redirect_stdout(io.StringIO()):
            return calibrate(table, save_file=False)[0]

    functions = {
        "gaiaxpy": gaiaxpy,
        "flux": lambda: coefficients_to_flux(coefficients),
        "flux_and_errors": lambda: (coefficients_to_flux(coefficients), flux_errors(errors, correlations)),
    }
    np.testing.assert_allclose(functions["flux"](), np.stack(gaiaxpy().flux), rtol=1e-9, atol=1e-26)
    times = {name: [] for name in functions}
    for _ in range(given.rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append((time.perf_counter() - start) / given.stars)
    median = {name: float(np.median(values)) for name, values in times.items()}
    result = {
        "what": "microseconds a spectrum, medians",
        "device": machine(),
        "stars": given.stars,
        "times": {name: 1e6 * value for name, value in median.items()},
        "speed_up": {name: median["gaiaxpy"] / median[name] for name in ("flux", "flux_and_errors")},
    }
    report(result, given.output)


if __name__ == "__main__":
    main()
