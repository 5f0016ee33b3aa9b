"""What all tests share: how hypothesis searches."""

import os

from hypothesis import HealthCheck, settings

# no deadline: a slow machine is no broken promise; CI searches the same examples each time
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "local")
