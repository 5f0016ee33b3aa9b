"""A notebook in the percent format, which Jupyter (by Jupytext) and editors open as cells."""

# %% Configure once; running the cell again changes nothing.
import wiltonos_otel

wiltonos_otel.configure(service_name="example-notebook")

# %% Set Φ as you work.
for phi in (0.74, 0.75, 0.76):
    wiltonos_otel.coherence.set(phi)

# %% A kernel lives on: deliver now, instead of waiting for its end.
delivered = wiltonos_otel.flush()
print("delivered" if delivered else "no Collector answers")  # noqa: T201 - a notebook shows things
