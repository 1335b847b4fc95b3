"""Scatter variational auto-encoder for Gaia XP spectra: the paper, rebuilt from its inputs."""

import os

# Threads that wait for each other sleep after some microseconds instead of spinning for milliseconds: where
# other work keeps the cores busy they would spin in the place of the thread that they wait for, and a step of
# the training would take thirty times as long. GNU OpenMP reads this when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
