"""The contract of a marked probe: an alert that tests the way and is told to nobody."""

# both must be there: a real alert that happens to have the label is told like any other
PROBE_ALERT = "WiltonosDoctorProbe"
PROBE_LABEL = "wiltonos_probe"
PROBES_PATH = "/api/v1/probes"
