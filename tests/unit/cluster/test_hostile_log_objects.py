"""Objects of any content, which anybody may write, never stop the survey, and nothing of them is long in its result."""

from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.accesslog.profiles import PROFILES
from enricher.cli.check_cluster import check_survey
from enricher.cluster import survey as surveying
from enricher.cluster.products import PRODUCTS
from enricher.cluster.survey import TRAFFIC_POLICIES, IngressClass, ProxyWorkload, Survey
from enricher.config.settings import LogSettings
from enricher.line import Source

WORDS = (
    *(
        "spec",
        "metadata",
        "name",
        "namespace",
        "data",
        "telemetry",
        "accessLog",
        "accessLogs",
        "settings",
        "sinks",
        "type",
    ),
    *("format", "text", "json", "disable", "envoy", "logging", "accessLogLevel", "accessLogging", "providers", "mesh"),
    *("contour.yaml", "accessLogFormat", "log-format", "log-format-upstream", "headers", "enableEnvoyHeaders", "args"),
    *(
        "template",
        "containers",
        "env",
        "value",
        "command",
        "kind",
        "disabled",
        "matches",
        "controller",
        "controllerName",
    ),
)
TEXTS = st.one_of(
    st.sampled_from(
        (
            *(
                "%UPSTREAM_HOST% %RESPONSE_CODE%",
                "$status $upstream_addr",
                "--accesslog",
                "--accesslog.format=json",
                "{",
            ),
            *(
                "traefik",
                "controller",
                "ingress-nginx-controller",
                "accessLogFile: /dev/stdout",
                "File",
                "Text",
                "JSON",
            ),
            *("--configmap=a/b", "accesslog-level: error", "--accesslog.fields.names.ServiceURL=drop", "a: &a [*a]"),
        )
    ),
    st.text(max_size=30),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6)


@settings(max_examples=150)
@given(objects=st.lists(OBJECTS, max_size=4), is_named=st.booleans())
def test_any_objects(objects, is_named):
    found = Survey()
    for obj in objects:
        found.classes.append(surveying._parse_class("GatewayClass", obj))
        found.workloads += surveying._parse_workload("Deployment", obj)
    found.classes += [IngressClass("GatewayClass", product.name, "x", product) for product in PRODUCTS]
    if is_named:
        found.log_objects = {product.name: objects for product in PRODUCTS} | {TRAFFIC_POLICIES.plural: objects}
    for row in check_survey(found, LogSettings()):
        assert row.verdict in {"ok", "warning", "skipped"}
        assert len(row.text) + len(row.details) < 4000


def test_long_names_and_formats():
    name = "x" * 100_000
    obj = {
        "kind": name,
        "metadata": {"name": name, "namespace": name},
        "data": {name: f"accesslog-format-string: '{name}'"},
    }
    found = Survey(classes=[surveying._parse_class("GatewayClass", obj | {"spec": {"controllerName": name}})])
    found.classes += [IngressClass("GatewayClass", name, name, product) for product in PRODUCTS]
    found.log_objects = {product.name: [obj] for product in PRODUCTS}
    arguments = [f"--accesslog.format={name}", f"--accesslog.filepath={name}"]
    for guess in PROFILES:
        source = Source("", name, name, "", name, guess=guess)
        found.workloads.append(ProxyWorkload("Deployment", source, name, arguments, {}))
    assert max(len(row.subject) + len(row.text) + len(row.details) for row in check_survey(found, LogSettings())) < 4000
