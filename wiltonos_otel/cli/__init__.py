"""The ``wt`` command: one module per group, found by the entry point group ``wiltonos.cli``."""
