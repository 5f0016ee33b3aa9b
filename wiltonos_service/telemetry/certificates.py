"""The files that TLS needs, checked before the first push (OpenTelemetry specification, OTLP)."""

from collections.abc import Mapping

from wiltonos_service.errors import SettingsError

FILES = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")


def check_files(environ: Mapping[str, str], signal: str) -> dict[str, str]:
    """The files that the standard variables name, by the end of the variable; all can be read.

    Args:
        environ: the environment.
        signal: METRICS or TRACES, whose own variables win.

    Raises:
        SettingsError: one cannot; the text names the variable.
    """
    found = {}
    for file in FILES:
        for name in (f"OTEL_EXPORTER_OTLP_{signal}_{file}", f"OTEL_EXPORTER_OTLP_{file}"):
            if path := environ.get(name):
                _require(name, path)
                found[file] = path
                break
    return found


def _require(name: str, path: str) -> None:
    try:
        with open(path, "rb"):  # noqa: PTH123 - the path is text, and only opened
            return
    except OSError as error:
        raise SettingsError(
            f"{name}={path}: {error.strerror}; name a file that can be read"
        ) from None
