"""Claims of the paper against these data: what latents add beyond labels, its controls, its seeds, and verdicts."""
