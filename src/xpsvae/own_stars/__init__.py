"""The model on anybody's stars: read spectra, describe them, write tables with units.

`tables` computes, `output` writes, `reference` knows the training stars, `pretrained` finds models, `train` makes
one. The console (`xpsvae.cli`) and the names of the package (`xpsvae.read`, `.describe`, `.load`) only call these.
"""
