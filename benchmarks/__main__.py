"""``python -m benchmarks [GROUP …] [--json]``."""

import argparse
import sys
from collections.abc import Callable, Iterator

from benchmarks import e2e, ending, importing, memory, notifier, phi, record, report, scrape
from benchmarks.rows import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "record": record.run,
    "phi": phi.run,
    "scrape": scrape.run,
    "exit": ending.run,
    "memory": memory.run,
    "import": importing.run,
    "notifier": notifier.run,
    "e2e": e2e.run,
}


def main() -> int:
    """Measure the groups that are named, or all."""
    parser = argparse.ArgumentParser(prog="wt bench", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {unknown[0]!r}; there are {', '.join(GROUPS)}")
    rows: list[Row] = []
    for name in arguments.groups or GROUPS:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows += GROUPS[name]()
    if arguments.json:
        print(report.to_json(rows))
    else:
        report.print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
