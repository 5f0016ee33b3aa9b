"""``python -m benchmarks [GROUP …] [--json]``; exits with 1 where a group could not be measured."""

import argparse
import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    e2e,
    ending,
    importing,
    memory,
    notifier,
    phi,
    pushing,
    record,
    report,
    scrape,
)
from benchmarks.rows import GOALS, Row, row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "record": record.run,
    "phi": phi.run,
    "scrape": scrape.run,
    "push": pushing.run,
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
    measured = [_measure(name) for name in arguments.groups or GROUPS]
    rows = [each for group, _ in measured for each in group]
    if arguments.json:
        print(report.to_json(rows))
    else:
        report.print_table(rows)
    return 0 if all(whole for _, whole in measured) else 1


def _measure(name: str) -> tuple[list[Row], bool]:
    """The rows of a group, and whether it came to its end; it costs no other group its rows."""
    print(f"measuring {name}", file=sys.stderr, flush=True)
    rows: list[Row] = []
    try:
        rows.extend(GROUPS[name]())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said and counts as a failure
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        found = {each.name for each in rows}
        promised = [each for each in GOALS if each.startswith(f"{name}.") and each not in found]
        return rows + [row(each, None) for each in promised], False
    return rows, True


if __name__ == "__main__":
    sys.exit(main())
