"""A service as any other: sets Φ twice a second and pushes it, until it is killed.

Usage: pusher.py OTLP_URL INSTANCE PHI
"""

import sys
import time

import wiltonos_otel

endpoint, instance, phi = sys.argv[1:]
wiltonos_otel.configure(
    service_name="a-service",
    instance_id=instance,
    otlp_endpoint=endpoint,
    export_interval_seconds=1,
)
while True:
    wiltonos_otel.coherence.set(float(phi))
    # the pace of the service that this stands for
    time.sleep(0.5)
