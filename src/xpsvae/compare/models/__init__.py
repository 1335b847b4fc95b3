"""The comparison models, one a module; `xpsvae.compare.registry` says what a module has to have."""
