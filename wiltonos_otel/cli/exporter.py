"""``wt exporter``: the service that turns state files into metrics."""

from pathlib import Path

import click

from wiltonos_service.cli import WholeGroup, service_options


@click.group(cls=WholeGroup)
def exporter() -> None:
    """Read state files; push, serve and show Φ."""


@exporter.command()
@service_options
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help='Directory of the state files (default: [source] state_dir, "state").',
)
@click.option("--simulated", is_flag=True, help="Say on the page that the data is made up.")
def run(
    config: Path | None,
    port_offset: int | None,
    log_level: str,
    state: Path | None,
    simulated: bool,
) -> None:
    """Run the exporter in the foreground: live page and /metrics at http://127.0.0.1:9464."""
    from wiltonos_otel.exporter import run_exporter
    from wiltonos_otel.settings import load
    from wiltonos_service.logs import configure_logs

    configure_logs(log_level)
    arguments: dict[str, dict[str, object]] = {}
    if state is not None:
        # a path on the command line starts at the current directory
        arguments["source"] = {"state_dir": str(state.absolute())}
    if simulated:
        arguments["exporter"] = {"simulated": True}
    run_exporter(load(config=config, arguments=arguments, offset=port_offset))
