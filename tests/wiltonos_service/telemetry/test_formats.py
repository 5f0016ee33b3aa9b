"""Content negotiation of ``/metrics``."""

from time import thread_time

import pytest

from wiltonos_service.telemetry.formats import Format, accepts_gzip, negotiate

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_NATIVE = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    f";q=0.6,{PROMETHEUS_3}"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Format.TEXT_0_0_4),
        ("*/*", Format.TEXT_0_0_4),
        (BROWSER, Format.TEXT_0_0_4),
        (PROMETHEUS_3, Format.OPENMETRICS_1_0_0),
        (PROMETHEUS_3_NATIVE, Format.OPENMETRICS_1_0_0),
        ("application/openmetrics-text", Format.OPENMETRICS_1_0_0),
        ("application/*", Format.OPENMETRICS_1_0_0),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS_1_0_0),
        ('application/openmetrics-text; version="1.0.0"', Format.OPENMETRICS_1_0_0),
        ("text/plain;version=1.0.0", Format.TEXT_1_0_0),
        ("text/plain", Format.TEXT_0_0_4),
        # versions that we do not write
        ("application/openmetrics-text;version=0.0.1,text/plain;q=0.1", Format.TEXT_0_0_4),
        ("application/openmetrics-text;version=2.0.0", Format.TEXT_0_0_4),
        # the weight decides, then the order
        ("application/openmetrics-text;q=0.2,text/plain;q=0.8", Format.TEXT_0_0_4),
        ("text/plain;q=0.2,application/openmetrics-text;q=0.8", Format.OPENMETRICS_1_0_0),
        ("text/plain;version=1.0.0,application/openmetrics-text", Format.TEXT_1_0_0),
        ("application/openmetrics-text,text/plain;version=1.0.0", Format.OPENMETRICS_1_0_0),
        # the most specific range decides
        ("*/*,text/plain;q=0.1,application/openmetrics-text;q=0.5", Format.OPENMETRICS_1_0_0),
        ("text/plain;q=0.9,text/plain;version=0.0.4;q=0.1", Format.TEXT_1_0_0),
        ("application/openmetrics-text;q=0,*/*;q=0.1", Format.TEXT_0_0_4),
        ("text/plain;q=0,*/*;q=0.1", Format.OPENMETRICS_1_0_0),
        # nonsense never wins, and never fails
        ("application/openmetrics-text;q=high,text/plain;q=0.1", Format.TEXT_0_0_4),
        ("application/openmetrics-text;q=7", Format.TEXT_0_0_4),
        (';;,=,"', Format.TEXT_0_0_4),
        ("image/png", Format.TEXT_0_0_4),
    ],
)
def test_scraper_gets_the_format_it_likes_best(accept: str, expected: Format) -> None:
    """As RFC 9110 section 12.5.1 weighs media ranges."""
    assert negotiate(accept) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0,*", False),
        ("identity", False),
        ("br", False),
    ],
)
def test_gzip_only_where_it_is_wanted(header: str, expected: bool) -> None:
    """As RFC 9110 section 12.5.3 weighs codings."""
    assert accepts_gzip(header) is expected


@pytest.mark.parametrize("piece", ['"\\', '"', '";', '",', "a;", "a,"])
def test_long_headers_are_read_in_no_time(piece: str) -> None:
    """Whoever may ask for ``/metrics`` must not hold up the event loop that answers."""
    header = piece * 50_000
    start = thread_time()
    negotiate(header[:8000])
    accepts_gzip(header)
    assert thread_time() - start < 0.2


def test_quote_that_is_never_closed_reaches_to_the_end() -> None:
    """Not to the next comma, or what a careless client quotes would be taken for a range."""
    assert negotiate('text/plain;version=1.0.0;x="a,application/openmetrics-text') is (
        Format.TEXT_1_0_0
    )
