"""The diary of doses: a ledger, an HTTP API and the metrics that are rebuilt from them."""
