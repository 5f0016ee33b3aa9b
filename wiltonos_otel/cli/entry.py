"""Entry of the ``wt`` command."""

import sys


def main() -> None:
    """Run ``wt``; without the command-line library, say what to install."""
    try:
        # click is an extra
        from wiltonos_service.cli import run
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("wiltonos"):
            raise
        print(
            f'wt: {error.name} is not installed; run: pip install "wiltonos-otel[all]"',
            file=sys.stderr,
        )
        sys.exit(1)
    run()
