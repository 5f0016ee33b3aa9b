"""The durable memory of the notifier: incidents, the outbox, dead letters."""

from notifier.store.base import Backlog, Ingest, Store
from notifier.store.sql import SqlStore, open_store

__all__ = ["Backlog", "Ingest", "SqlStore", "Store", "open_store"]
