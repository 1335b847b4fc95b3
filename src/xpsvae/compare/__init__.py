"""What the sVAE is compared with: one module a model in `models`, found by its name through `registry`."""
