"""The renderer: one source, a committed variant and a native one that differ in places only."""

import difflib
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel import settings
from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import flags, render
from wiltonos_otel.stack.addresses import COMPOSE_ADDRESSES, COMPOSE_FILES, Files
from wiltonos_otel.stack.ports import Ports

ROOT = Path(__file__).parent.parent.parent
# an address, a URL or an absolute path
PLACE = re.compile(
    r"(?:https?://)?[\w.-]+:[0-9]{2,5}|(?<![\w/])(?:/[\w.-]+)+|\b[0-9.]{7,}\b|(?<=port: )[0-9]+"
)


def _native(
    offset: int = 0,
    *,
    base: str = "/srv/w/var",
    policy: Policy | None = None,
    traces: str = "",
) -> dict[str, str]:
    files = Files(Path(base) / "queue", Path(base) / "token")
    return render.native(policy or Policy(), Ports.at(offset), files, traces=traces)


def test_the_committed_files_are_what_the_renderer_makes() -> None:
    """`wt rules build` has been run since the templates, the rules or the policy changed."""
    loaded = settings.load(environ={"WILTONOS_CONFIG": ""})
    expected = render.compose(
        loaded.settings.policy, stale_after_seconds=loaded.settings.source.stale_after_seconds
    )
    for name, text in expected.items():
        assert (ROOT / name).read_text("utf-8") == text, f"{name}: run `wt rules build`"


@pytest.mark.parametrize("traces", ["", "http://jaeger:4318/v1/traces"])
def test_variants_differ_in_addresses_and_paths_only(traces: str) -> None:
    """Line by line: where compose and native differ, only an address or a path does."""
    compose, native = render.compose(traces=traces), _native(20000, traces=traces)
    assert compose.keys() == native.keys()
    differing = 0
    for name, text in compose.items():
        ours, theirs = text.splitlines(), native[name].splitlines()
        assert len(ours) == len(theirs), name
        for left, right in zip(ours, theirs, strict=True):
            differing += left != right
            assert PLACE.sub("PLACE", left) == PLACE.sub("PLACE", right)
    assert differing > 10


def test_an_offset_moves_every_port_of_the_native_variant() -> None:
    """No default port is left in a moved stack."""
    text = "".join(_native(20000).values())
    for port in (4317, 4318, 8888, 13133, 9090, 9093, 9099):
        assert re.search(rf"\b{port + 20000}\b", text)
        assert not re.search(rf"\b{port}\b", text)


def test_the_native_variant_listens_on_loopback_only() -> None:
    """Nothing but 127.0.0.1 is named."""
    collector = yaml.safe_load(_native()[render.COLLECTOR_CONFIG])
    protocols = collector["receivers"]["otlp"]["protocols"]
    listeners = [each["endpoint"] for each in protocols.values()]
    listeners.append(collector["extensions"]["health_check"]["endpoint"])
    assert all(each.startswith("127.0.0.1:") for each in listeners)
    assert "0.0.0.0" not in "".join(_native().values())


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_path_is_read_back_as_it_was(name: str) -> None:
    """Spaces, quotes, colons and the like in a directory's name do no harm."""
    rendered = _native(base=f"/srv/{name}")
    alertmanager = yaml.safe_load(rendered[render.ALERTMANAGER_CONFIG])
    (config,) = alertmanager["receivers"][0]["webhook_configs"]
    token = config["http_config"]["authorization"]["credentials_file"]
    assert Path(token) == Path(f"/srv/{name}/token")
    collector = yaml.safe_load(rendered[render.COLLECTOR_CONFIG])
    queue = collector["extensions"]["file_storage"]["directory"]
    # the Collector reads "$$" as one "$"
    assert Path(queue.replace("$$", "$")) == Path(f"/srv/{name}/queue")


def test_writing_again_changes_nothing_and_says_so(tmp_path: Path) -> None:
    """Only what differs is written, whole, and listed."""
    first = render.write(tmp_path, render.compose())
    assert len(first) == 4
    assert render.write(tmp_path, render.compose()) == []
    stricter = render.compose(Policy(tolerance=0.01))
    assert render.write(tmp_path, stricter) == [tmp_path / render.RULES]
    assert not list(tmp_path.rglob(".*"))


def test_alertmanager_hands_over_at_once_and_proves_itself_each_minute() -> None:
    """The routes of the contract: one for alerts, one for the Watchdog."""
    config = yaml.safe_load(render.compose()[render.ALERTMANAGER_CONFIG])
    route = config["route"]
    assert route["group_by"] == ["alertname", "job", "instance"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == (
        "0s", "10s", "4h",
    )  # fmt: skip
    (watchdog,) = route["routes"]
    assert watchdog["matchers"] == ['alertname="WiltonosWatchdog"']
    assert watchdog["repeat_interval"] == "50s"
    urls = [each["webhook_configs"][0]["url"] for each in config["receivers"]]
    notifier = f"http://{COMPOSE_ADDRESSES.notifier}"
    assert urls == [f"{notifier}/api/v1/alertmanager", f"{notifier}/api/v1/heartbeat"]
    for receiver in config["receivers"]:
        (webhook,) = receiver["webhook_configs"]
        authorization = webhook["http_config"]["authorization"]
        assert authorization["credentials_file"] == str(COMPOSE_FILES.notifier_token)


def test_prometheus_scrapes_only_the_stack_itself() -> None:
    """Services push; a scrape of them would make every series twice."""
    config = yaml.safe_load(render.compose()[render.PROMETHEUS_CONFIG])
    jobs = [each["job_name"] for each in config["scrape_configs"]]
    assert jobs == ["prometheus", "alertmanager", "collector"]
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "2h"
    assert config["otlp"]["translation_strategy"] == "UnderscoreEscapingWithSuffixes"


def test_a_notifier_that_is_stated_is_used_as_it_stands() -> None:
    """An address from the configuration wins over the offset."""
    files = Files(Path("/q"), Path("/t"))
    rendered = render.native(Policy(), Ports.at(100), files, notifier="127.0.0.1:7000")
    assert "http://127.0.0.1:7000/api/v1/alertmanager" in rendered[render.ALERTMANAGER_CONFIG]


@pytest.mark.parametrize("directory", ["/srv/[1]/var", "/srv/what?", "/srv/*"])
def test_a_directory_in_which_prometheus_finds_no_rules_is_refused(directory: str) -> None:
    """A silent stack without rules is worse than one line."""
    config = Path(directory) / render.PROMETHEUS_CONFIG
    with pytest.raises(WiltonosError, match="would run without rules"):
        flags.prometheus(config, Path("/data"), COMPOSE_ADDRESSES)


@pytest.mark.parametrize("template", ["otel-config.yaml", "prometheus.yml", "alertmanager.yml"])
def test_no_template_names_an_address(template: str) -> None:
    """What differs between variants is a placeholder in the source."""
    text = (ROOT / "wiltonos_otel/stack/templates" / template).read_text("utf-8")
    assert text.count("#@ tracing\n") == text.count("#@ end\n")
    config = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not difflib.get_close_matches("127.0.0.1", config.split())
    assert not re.search(r"localhost|0\.0\.0\.0|:[0-9]{4,5}\b", config)
