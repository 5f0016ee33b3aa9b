"""What each of our HTTP services needs and none of them owns: settings, listeners, secrets, logs.

A leaf: it imports neither ``wiltonos_otel`` nor ``notifier``, which do not import each other.
"""
