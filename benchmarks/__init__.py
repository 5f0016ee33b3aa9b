"""Our speed against the alternatives, side by side in one run: ``python -m benchmarks``."""
