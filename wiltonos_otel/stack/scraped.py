"""What a part of the stack counts about itself, as its own page says."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scraped:
    """The samples of one page in the Prometheus text format.

    Attributes:
        samples: name, labels and value of each.
    """

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    @classmethod
    def of(cls, text: str) -> "Scraped":
        """Read a page; "" has no samples."""
        # a fifth of the time that a second bootstrap takes, which does not need it
        from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

        families = text_string_to_metric_families(text) if text else ()
        return cls(
            tuple(
                (sample.name, sample.labels, float(sample.value))
                for family in families
                for sample in family.samples
            )
        )

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; its name may end on ``_total``."""
        names = (name, f"{name}_total")
        return sum(
            value
            for sample, own, value in self.samples
            if sample in names and labels.items() <= own.items()
        )
