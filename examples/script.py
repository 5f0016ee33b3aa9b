"""A program that ends: what it set last is delivered before it exits."""

import math
import time

import wiltonos_otel

STEPS = 40
SECONDS_PER_STEP = 0.05


def main() -> None:
    """Set Φ and a loop a few times."""
    wiltonos_otel.configure(service_name="example-script", export_interval_seconds=1)
    breath = wiltonos_otel.loop("breath")
    for step in range(STEPS):
        wave = math.sin(step / 8)
        wiltonos_otel.coherence.set(0.75 + 0.005 * wave)
        breath.set(0.74 + 0.01 * wave, phi_star=0.75)
        time.sleep(SECONDS_PER_STEP)
    breath.collapsed()


if __name__ == "__main__":
    main()
