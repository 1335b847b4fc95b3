"""What every script of the workflow does around its work: threads, device, log, errors.

`job` must be entered before numpy or torch is imported, since they read the number of threads once.
"""

import ctypes
import errno
import os
import re
import resource
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from xpsvae import provenance, scratch
from xpsvae.debug import remember
from xpsvae.dependencies import imported_modules
from xpsvae.errors import InputError

__all__ = ["job"]


class _Tee:
    """A text stream that writes to two; only the first may be a terminal."""

    def __init__(self, stream, log):
        self._stream, self._log = stream, log

    def write(self, text):
        self._stream.write(text)
        if not text.startswith("\r"):  # progress bars stay on the terminal
            self._log.write(text)
        return len(text)

    def flush(self):
        self._stream.flush()
        self._log.flush()

    def __getattr__(self, name):
        return getattr(self._stream, name)


# Inputs of these names have one row a star, in the order of the catalogue.
_ALIGNED = "stars coefficients errors split subsets latents reconstruction scatter sequences".split()
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)


@contextmanager
def job(snakemake):
    """Run the body of a script as a job of the workflow.

    Gives NumPy's BLAS one thread, since its sums depend on how many there are, and OpenMP and torch the job's
    ``snakemake.threads``; hides the GPUs unless ``snakemake.resources.gpu`` grants one. Mirrors standard
    error and output to the rule's log. Inputs that are not what their jobs wrote are refused, and the SHA-256
    of each output is noted in the end. Figures and tables that are written say which commit of this code they
    are from. An `InputError` is printed as its one sentence, anything else with its traceback and a line that
    runs the script alone in a debugger; both exit with 1. A job whose Snakemake is killed ends too.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[variable] = str(snakemake.threads)
    os.environ.setdefault("MPLBACKEND", "Agg")
    if not getattr(snakemake.resources, "gpu", 0):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    script = sys.modules["__main__"].__file__  # where Snakemake found it, not the copy that runs
    provenance.set_mark([script, *imported_modules(script)], snakemake.config)
    if getattr(snakemake, "debugging", False):
        yield
        return
    _end_with_parent()
    streams = sys.stdout, sys.stderr
    with open(snakemake.log[0], "w", encoding="utf-8") as log:
        sys.stdout, sys.stderr = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
        log.write(f"rule {snakemake.rule}; script {os.path.relpath(script)}; {provenance.current_mark()}\n")
        try:
            with _checked(snakemake, log):
                yield
        except InputError as error:
            _stop(f"Error: {error}")
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                _stop(f"Error: {_full_disk(snakemake.rule)}")
            traceback.print_exc()
            _stop(f"To look into it: python -m pdb -m xpsvae.debug {remember(snakemake, script)}")
        finally:
            sys.stdout, sys.stderr = streams


@contextmanager
def _checked(snakemake, log):
    """Verify the inputs of a job, note what its outputs are, and tidy up after one that was killed.

    Its log says what was read and written, with the rows and the leading numbers in it, and what that took.
    """
    from xpsvae import contents, digests, products  # late, for they import numpy

    for path in snakemake.output:
        products.clear_leftovers(path)
        digests.forget(path)
    for path in snakemake.input:
        digests.verify(path)
        log.write(f"read {contents.describe(path)}\n")
    aligned = [snakemake.input[name] for name in _ALIGNED if name in snakemake.input.keys()]
    products.require_aligned([path for path in aligned if os.path.isfile(path)])
    yield
    for path in snakemake.output:
        if os.path.exists(path):  # Snakemake misses one that does not
            digests.note(path)
            log.write(f"wrote {contents.describe(path)}\n")
    log.write(f"used {time.process_time():.1f} s of processors, {_most_memory():.0f} MB of memory at most\n")


def _most_memory():
    """Largest memory of this process so far [MB]: Snakemake's benchmark files hold samples, which miss peaks."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def _end_with_parent():
    """End with Snakemake, even if that is killed: the job would write beside that of the next run."""
    try:
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)
    except (OSError, AttributeError):
        pass  # not Linux


def _full_disk(rule):
    try:
        scratch.require_space()
    except InputError as error:
        return error
    return f"the disk was full when {rule} wrote its products: free some and rerun."


def _stop(sentence):
    print(sentence, file=sys.stderr)
    raise SystemExit(1)
