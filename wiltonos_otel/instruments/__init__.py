"""The instruments: the catalogue, the handles that record, and the wiring to the SDK."""
