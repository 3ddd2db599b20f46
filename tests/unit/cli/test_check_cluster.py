"""`enricher check` looks at the cluster: which proxies it has, which profile follows them, and what their logs lack."""

import re
from asyncio import to_thread
from pathlib import Path

import pytest

from demo.fake_api import FakeApi, status
from enricher.accesslog.profiles import PROFILES
from enricher.accesslog.try_formats import NO_ID, NO_TYPE
from enricher.cli.main import main
from enricher.cluster.products import PRODUCTS, UNDEPLOYED, product_of

PAGES = Path(__file__).parents[3] / "docs" / "proxies"
CONTROLLERS = [(name, product) for product in PRODUCTS for name in product.controllers]
SURVEYED = ("gatewayclasses", "ingressclasses", "deployments", "daemonsets")
TRAEFIK_JSON = ("--accesslog=true", "--accesslog.format=json")
ENVOY_FORMAT = '[%START_TIME%] %RESPONSE_CODE% "%UPSTREAM_HOST%" %DURATION%\n'


@pytest.fixture
def check(tmp_path, capsys):
    async def check(server, *options):
        """Return the exit code, the rows as (verdict, subject, text), and all of the output."""
        server.write_kubeconfig(tmp_path / "config")
        command = ["check", "--kubeconfig", tmp_path / "config", "--log-dir", tmp_path, "--listen", "127.0.0.1:0"]
        code = await to_thread(main, [str(argument) for argument in (*command, *options)])
        out, err = capsys.readouterr()
        assert err == ""
        rows = [(line[:7].strip(), *line[9:].split("  ", 1)) for line in out.splitlines()[:-1] if line[:1].strip()]
        return code, [(verdict, subject, text.strip()) for verdict, subject, text in rows], out

    return check


def gateway_class(server, controller, name="eg"):
    server.apply("ADDED", {"metadata": {"name": name}, "spec": {"controllerName": controller}}, plural="gatewayclasses")


def ingress_class(server, controller, name="public"):
    server.apply("ADDED", {"metadata": {"name": name}, "spec": {"controller": controller}}, plural="ingressclasses")


def workload(server, name, container, *, args=(), env=(), namespace="edge", plural="deployments"):
    containers = [{"name": container, "args": list(args), "env": [{"name": n, "value": v} for n, v in env]}]
    obj = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    server.apply("ADDED", obj, plural=plural)


def custom(server, kind, plural, spec, name="own", namespace="edge"):
    metadata = {"name": name, "namespace": namespace}
    server.apply("ADDED", {"apiVersion": "x/v1", "kind": kind, "metadata": metadata, "spec": spec}, plural=plural)


def configmap(server, name, data, namespace="edge"):
    server.apply("ADDED", {"metadata": {"name": name, "namespace": namespace}, "data": data}, plural="configmaps")


def texts(rows, subject):
    return [(verdict, text) for verdict, of, text in rows if of == subject]


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("controller", "product"), CONTROLLERS)
@pytest.mark.parametrize("suffix", ["", "/own", "-own"])
def test_a_controllers_name_shows_the_product(controller, product, suffix):
    assert product_of(controller + suffix) is product
    assert product_of(f"x{controller}") is None
    assert product_of(f"{controller}x") is None


def test_each_controller_is_of_one_product():
    names = [name for name, _ in CONTROLLERS]
    assert len(set(names)) == len(names)
    assert {product.profile for product in PRODUCTS} == set(PROFILES)
    for product in PRODUCTS:
        assert PROFILES[product.profile].compile(product.default_format)


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_products_page_is_there(product):
    name, _, anchor = product.page.partition("#")
    text = (PAGES / name).read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not anchor or anchor in slugs


def test_the_documented_controllers_are_those_that_are_known():
    text = (PAGES / "index.md").read_text().partition("## Which proxies a cluster has")[2].partition("\n## ")[0]
    for product in PRODUCTS:
        [row] = [line for line in text.splitlines() if line.startswith(f"| {product.name} |")]
        assert re.findall(r"`([^`]*)`", row)[: len(product.controllers)] == list(product.controllers)
        assert f"| `{product.profile}`" in row
        assert ("only with the option" in row) is not product.is_followed


async def test_a_class_whose_proxies_are_in_another_cluster(check):
    async with FakeApi() as server:
        gateway_class(server, "istio.io/unmanaged-gateway", "istio-remote")
        _, rows, out = await check(server)
        [(verdict, text)] = texts(rows, "GatewayClass istio-remote")
        assert verdict == "ok"
        assert text == "Istio (istio.io/unmanaged-gateway): no proxy is deployed for it in this cluster"
        assert not texts(rows, "Istio")
        assert "followed" not in out
        gateway_class(server, "istio.io/gateway-controller", "istio")
        _, rows, _ = await check(server)
        assert texts(rows, "Istio")


@pytest.mark.parametrize(("controller", "product"), [each for each in CONTROLLERS if each[0] not in UNDEPLOYED])
async def test_a_class_names_the_profile(check, controller, product):
    async with FakeApi() as server:
        gateway_class(server, controller)
        ingress_class(server, controller)
        code, rows, out = await check(server)
    assert code == 0
    for subject in ("GatewayClass eg", "IngressClass public"):
        [(verdict, text)] = texts(rows, subject)
        assert f"{product.name} ({controller}), the profile {product.profile}" in text
        assert verdict == ("ok" if product.is_followed else "warning")
        assert ("give" in text or "not followed without --profile" in text) is not product.is_followed
    assert f"see docs/proxies/{product.page}" in out


async def test_a_profile_that_is_not_the_clusters(check):
    async with FakeApi() as server:
        gateway_class(server, "gateway.envoyproxy.io/gatewayclass-controller")
        _, rows, _ = await check(server, "--profile", "traefik")
        [(verdict, text)] = texts(rows, "GatewayClass eg")
        assert verdict == "warning"
        assert "the given one is traefik: give --profile envoy (ENRICHER_PROFILE=envoy)" in text
        assert texts((await check(server, "--profile", "envoy"))[1], "GatewayClass eg")[0][0] == "ok"
        assert texts((await check(server, "--select", "a/b/c"))[1], "GatewayClass eg")[0][0] == "ok"


async def test_an_unknown_controller(check):
    async with FakeApi() as server:
        gateway_class(server, "networking.gke.io/gateway")
        ingress_class(server, "a\x1b[31mb" + "x" * 10_000)
        code, rows, out = await check(server)
    assert (code, texts(rows, "GatewayClass eg")[0][0]) == (0, "warning")
    assert "the controller networking.gke.io/gateway is not known: nothing can be said about its log" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 1000


async def test_nothing_is_there(check):
    async with FakeApi() as server:
        _, rows, _ = await check(server)
    assert texts(rows, "cluster") == [("ok", "no GatewayClass, no IngressClass, and nothing that looks like a proxy")]


async def test_very_many_classes(check):
    async with FakeApi() as server:
        for number in range(200):
            ingress_class(server, "k8s.io/ingress-nginx", f"class-{number}")
        _, rows, out = await check(server)
    assert ("warning", "150 more classes were not looked at") in texts(rows, "cluster")
    assert len(out.splitlines()) < 70


# --- rights -----------------------------------------------------------------------------------------------------------


async def test_what_is_forbidden_is_named_once_and_is_no_failure(check):
    async with FakeApi() as server:
        server.denied = {("list", plural) for plural in SURVEYED}
        code, rows, _ = await check(server)
    assert code == 0
    [(verdict, text)] = texts(rows, "cluster")
    assert verdict == "skipped"
    for name in ("gatewayclasses.gateway.networking.k8s.io", "ingressclasses.networking.k8s.io", "deployments.apps"):
        assert text.count(f"list {name} at the cluster scope") == 1
    assert "run `enricher check` with an administrator's kubeconfig" in text


async def test_what_sets_a_log_is_forbidden(check):
    async with FakeApi() as server:
        gateway_class(server, "gateway.envoyproxy.io/gatewayclass-controller")
        server.denied = {("list", "envoyproxies"), ("list", "clienttrafficpolicies")}
        code, rows, _ = await check(server)
    assert code == 0
    [(verdict, text)] = texts(rows, "Envoy Gateway")
    assert verdict == "skipped"
    assert text.startswith(
        "what sets its log could not be read; its default log: the log format has no number of attempts"
    )
    assert "list envoyproxies.gateway.envoyproxy.io at the cluster scope" in texts(rows, "cluster")[0][1]


@pytest.mark.parametrize(("code", "verdicts"), [(404, ["ok"]), (500, ["warning"])])
async def test_a_list_that_fails(check, code, verdicts):
    """Without the CRDs of the Gateway API there are no GatewayClasses."""

    class Failing(FakeApi):
        async def _list(self, request, plural, namespace):
            if plural == "gatewayclasses":
                return await status(code, "x")(request)
            return await super()._list(request, plural, namespace)

    async with Failing() as server:
        exit_code, rows, _ = await check(server)
    assert exit_code == 0
    assert [verdict for verdict, _ in texts(rows, "cluster")][:1] == verdicts


@pytest.mark.parametrize(
    ("path", "variable", "expected"),
    [("/nowhere", "", "skipped"), ("/nowhere", "KUBERNETES_SERVICE_HOST", "failed"), ("/other", "", "failed")],
)
async def test_a_machine_that_is_no_node(check, monkeypatch, path, variable, expected):
    """An administrator's: there are no logs to look at, and no daemon is to run there."""
    monkeypatch.setattr("enricher.cli.check_logs.DEFAULT_LOG_DIR", "/nowhere")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if variable:
        monkeypatch.setenv(variable, "10.0.0.1")
    async with FakeApi() as server:
        code, rows, out = await check(server, "--log-dir", path)
    assert [verdict for verdict, _ in texts(rows, "log directory")] == [expected]
    assert code == (3 if expected == "failed" else 0)
    assert ("run this in its daemon: kubectl -n enricher exec" in out) is (expected == "skipped")


# --- workloads --------------------------------------------------------------------------------------------------------


async def test_workloads_that_are_followed_and_that_look_like_it(check):
    async with FakeApi() as server:
        workload(server, "web-nginx", "nginx", namespace="shop")
        workload(server, "web", "web", namespace="shop")
        _, rows, out = await check(server)
        assert texts(rows, "proxies")[0][0] == "warning"
        assert "1 container looks like nginx (shop/web-nginx/nginx) and is not followed" in out
        workload(server, "envoy-default-eg", "envoy")
        workload(server, "envoy", "envoy", plural="daemonsets")
        _, rows, out = await check(server)
    [(verdict, text)] = texts(rows, "proxies")
    expected = (
        "to be followed: Deployment edge/envoy-default-eg (container envoy), DaemonSet edge/envoy (container envoy)"
    )
    assert (verdict, text) == ("ok", expected)


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def envoy_gateway():
    def envoy_gateway(server, *access_logs, policy=None):
        gateway_class(server, "gateway.envoyproxy.io/gatewayclass-controller")
        for number, access_log in enumerate(access_logs):
            spec = {"telemetry": {"accessLog": access_log}}
            custom(server, "EnvoyProxy", "envoyproxies", spec, name=f"proxy-{number}")
        if policy is not None:
            custom(server, "ClientTrafficPolicy", "clienttrafficpolicies", {"headers": {"enableEnvoyHeaders": policy}})

    return envoy_gateway


def setting(text, sink="File", **more):
    sinks = [{"type": sink, "file": {"path": "/dev/stdout"}}]
    return {"settings": [{"sinks": sinks, "format": {"type": "Text", "text": text}, **more}]}


NO_TIME = "let Envoy add the header of %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% (Envoy Gateway: enableEnvoyHeaders"
HEADER = '"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%" '


@pytest.mark.parametrize(("policy", "is_missing"), [(None, True), (False, True), (True, False)])
async def test_envoy_gateways_default_log(check, envoy_gateway, policy, is_missing):
    async with FakeApi() as server:
        envoy_gateway(server, policy=policy)
        _, rows, out = await check(server)
    [(verdict, text)] = texts(rows, "Envoy Gateway")
    assert verdict == "warning"
    assert text.startswith("its default log: the log format has no number of attempts")
    assert (NO_TIME in text) is is_missing
    assert (
        "lines also lack the pods of tries before the last, gRPC statuses: see docs/proxies/envoy.md#envoy-gateway"
        in out
    )


@pytest.mark.parametrize(
    ("access_log", "fault"),
    [
        ({"disable": True}, "the access log is off: remove telemetry.accessLog.disable"),
        (setting(ENVOY_FORMAT, "OpenTelemetry"), "does not go to the container's log: add a sink of the type File"),
        (setting("%RESPONSE_CODE% %DURATION%\n"), "the log format does not name the upstream (%UPSTREAM_HOST%)"),
        (setting(ENVOY_FORMAT), "the log format does not say how long upstreams took"),
        (setting(HEADER + ENVOY_FORMAT), NO_TIME),
    ],
)
async def test_an_envoy_proxy(check, envoy_gateway, access_log, fault):
    async with FakeApi() as server:
        envoy_gateway(server, access_log)
        _, rows, _ = await check(server)
    [(verdict, text)] = texts(rows, "Envoy Gateway")
    assert verdict == "warning"
    assert text.startswith("EnvoyProxy edge/proxy-0")
    assert fault in text


TRIES = f'%ACCESS_LOG_TYPE% "%REQ(X-REQUEST-ID)%" {ENVOY_FORMAT}'


@pytest.mark.parametrize(
    ("of_requests", "of_tries", "faults"),
    [
        (TRIES, TRIES, set()),
        (TRIES, TRIES.replace("%ACCESS_LOG_TYPE% ", ""), {NO_TYPE}),
        (TRIES, None, {NO_TYPE}),
        (TRIES, TRIES.replace('"%REQ(X-REQUEST-ID)%" ', ""), {NO_ID}),
        (TRIES.replace('"%REQ(X-REQUEST-ID)%" ', ""), TRIES, {NO_ID}),
        (TRIES.replace("%ACCESS_LOG_TYPE% ", ""), TRIES, set()),
        (ENVOY_FORMAT, "", set()),
    ],
    ids=["both", "no type", "default", "no id", "no id of requests", "no type of requests", "no tries"],
)
async def test_tries_that_cannot_be_joined(check, envoy_gateway, tmp_path, of_requests, of_tries, faults):
    settings = setting(of_requests)["settings"]
    if of_tries:
        settings += setting(of_tries, type="Upstream")["settings"]
    elif of_tries is None:
        settings.append({"type": "Upstream", "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}]})
    async with FakeApi() as server:
        envoy_gateway(server, {"settings": settings})
        _, rows, _ = await check(server)
    said = {fault for fault in (NO_TYPE, NO_ID) for _, text in texts(rows, "Envoy Gateway") if fault in text}
    assert said == faults


async def test_a_response_time_that_takes_no_header(check, envoy_gateway):
    async with FakeApi() as server:
        envoy_gateway(server, setting(f"{HEADER}%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)% {ENVOY_FORMAT}"))
        _, rows, _ = await check(server)
    assert NO_TIME not in texts(rows, "Envoy Gateway")[0][1]


async def test_a_format_that_lacks_nothing(check, envoy_gateway):
    text = (
        "%ACCESS_LOG_TYPE% [%START_TIME%] %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% "
        f'{HEADER}"%REQ(X-REQUEST-ID)%" "%UPSTREAM_HOST%" %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER_RAW% '
        "%GRPC_STATUS_NUMBER% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %ROUTE_NAME%\n"
    )
    async with FakeApi() as server:
        envoy_gateway(server, setting(text), policy=True)
        _, rows, out = await check(server)
    [(verdict, text)] = texts(rows, "Envoy Gateway")
    assert (verdict, text.partition(": it has ")[2]) == ("ok", "what attributions and counts need")
    assert "lines also lack" not in out


@pytest.mark.parametrize(
    ("lines", "verdict", "fault"),
    [
        ("", "warning", "its default log: the log format has no number of attempts"),
        ("accesslog-level: disabled\n", "warning", "the access log is off: remove the level disabled"),
        ("accesslog-level: error\n", "warning", "only requests that failed are logged"),
        ("accesslog-format: json\njson-fields: [response_code]\n", "warning", "does not name the upstream"),
    ],
)
async def test_contours_configmap(check, lines, verdict, fault):
    async with FakeApi() as server:
        ingress_class(server, "projectcontour.io/projectcontour/contour")
        configmap(server, "contour", {"contour.yaml": lines}, "projectcontour")
        configmap(server, "other", {"contour.yaml": "accesslog-level: disabled\n"}, "projectcontour")
        _, rows, _ = await check(server)
    [(of_log, text)] = texts(rows, "Contour")
    assert (of_log, fault in text) == (verdict, True), text


async def test_a_contour_configuration(check):
    async with FakeApi() as server:
        gateway_class(server, "projectcontour.io/gateway-controller")
        spec = {"envoy": {"logging": {"accessLogLevel": "disabled"}}}
        custom(server, "ContourConfiguration", "contourconfigurations", spec)
        _, rows, _ = await check(server)
    assert "ContourConfiguration edge/own: the access log is off" in texts(rows, "Contour")[0][1]


async def test_one_setting_of_two_products_is_judged_once(check):
    async with FakeApi() as server:
        gateway_class(server, "istio.io/gateway-controller")
        gateway_class(server, "istio.io/mesh-controller", "istio-waypoint")
        configmap(server, "istio", {"mesh": ""}, "istio-system")
        _, rows, _ = await check(server)
    assert len(texts(rows, "Istio")) == 1
    assert texts(rows, "Istio's waypoints") == []


@pytest.mark.parametrize(
    ("mesh", "telemetry", "fault"),
    [
        ("", None, "it writes no access log unless that is switched on"),
        ("accessLogFile: ''\n", None, "it writes no access log unless that is switched on"),
        ("accessLogFile: /dev/stdout\n", None, "the log format has no number of attempts"),
        ("", {"accessLogging": [{"disabled": True}]}, "it writes no access log unless that is switched on"),
        ("", {"accessLogging": [{"providers": [{"name": "envoy"}]}]}, "the log format has no number of attempts"),
        ("accessLogFile: /dev/stdout\naccessLogFormat: '%RESPONSE_CODE%'\n", None, "does not name the upstream"),
    ],
)
async def test_istio(check, mesh, telemetry, fault):
    async with FakeApi() as server:
        gateway_class(server, "istio.io/gateway-controller")
        configmap(server, "istio", {"mesh": mesh}, "istio-system")
        if telemetry:
            custom(server, "Telemetry", "telemetries", telemetry)
        _, rows, _ = await check(server)
    [(verdict, text)] = texts(rows, "Istio")
    assert (verdict, fault in text) == ("warning", True), text


@pytest.mark.parametrize(
    ("args", "env", "verdict", "fault"),
    [
        ((), (), "warning", "do not switch the access log on: add --accesslog.format=json"),
        (("--configfile=/x.yml",), (), "warning", "unless its file of configuration does, which is not read"),
        (("--accesslog=false",), (), "warning", "do not switch the access log on"),
        (("--accesslog",), (), "warning", "the log format has no number of attempts"),
        ((), (("TRAEFIK_ACCESSLOG", "true"),), "warning", "the log format has no number of attempts"),
        ((), (("TRAEFIK_ACCESSLOG_FORMAT", "json"),), "ok", "it has what attributions and counts need"),
        (TRAEFIK_JSON, (), "ok", "it has what attributions and counts need"),
        (("--accessLog.format=JSON",), (), "ok", "it has what attributions and counts need"),
        (("--accesslog.format=genericCLF",), (), "warning", "does not name the upstream"),
        ((*TRAEFIK_JSON, "--accesslog.fields.names.ServiceURL=drop"), (), "ok", "it has"),
        ((*TRAEFIK_JSON, "--accesslog.fields.defaultmode=drop"), (), "warning", "does not name the upstream"),
        ((*TRAEFIK_JSON, "--accesslog.fields.names.RetryAttempts=drop"), (), "warning", "no number of attempts"),
        ((*TRAEFIK_JSON, "--accesslog.filepath=/Logs/a"), (), "warning", "goes to the file /Logs/a"),
        ((*TRAEFIK_JSON, "--accesslog.filepath=/dev/stdout"), (), "ok", "it has"),
        ((*TRAEFIK_JSON, "--accesslog.filepath=/a", "--accesslog.dualoutput"), (), "ok", "it has"),
        ((*TRAEFIK_JSON, "--accesslog.filters.statuscodes=500-599"), (), "warning", "left out by accesslog.filters.s"),
        (("--accesslog.format=apache",), (), "warning", "apache is not a format of Traefik: choose json"),
    ],
)
async def test_traefiks_arguments(check, args, env, verdict, fault):
    async with FakeApi() as server:
        ingress_class(server, "traefik.io/ingress-controller")
        workload(server, "traefik", "traefik", args=args, env=env)
        _, rows, _ = await check(server)
    [(of_log, text)] = texts(rows, "Traefik")
    assert (of_log, fault in text) == (verdict, True), text
    assert text.startswith("the arguments of Deployment edge/traefik")


@pytest.mark.parametrize(
    ("controller", "argument", "name"),
    [
        ("k8s.io/ingress-nginx", "--configmap=$(POD_NAMESPACE)/own", "ingress-nginx"),
        ("nginx.org/ingress-controller", "-nginx-configmaps=edge/own", "F5's NGINX Ingress Controller"),
    ],
)
async def test_a_controllers_configmap(check, controller, argument, name):
    is_f5 = name.startswith("F5")
    pod, container = ("nginx-ingress", "nginx-ingress") if is_f5 else ("ingress-nginx-controller", "controller")
    key = "log-format" if is_f5 else "log-format-upstream"
    async with FakeApi() as server:
        ingress_class(server, controller)
        workload(server, pod, container, args=[argument])
        configmap(server, "own", {}, "another")
        _, rows, _ = await check(server)
        [(verdict, text)] = texts(rows, name)
        assert (verdict, text.startswith("its default log")) == ("warning" if is_f5 else "ok", True)
        configmap(server, "own", {key: "$status"})
        _, rows, _ = await check(server)
        [(verdict, text)] = texts(rows, name)
        assert (verdict, text.startswith("ConfigMap edge/own: the log format does not name the upstream")) == (
            "warning",
            True,
        )
        configmap(server, "own", {key: "$"})
        _, rows, _ = await check(server)
        assert "the format cannot be read" in texts(rows, name)[0][1]
        configmap(server, "own", {"access-log-off" if is_f5 else "disable-access-log": "true"})
        _, rows, _ = await check(server)
        assert "which keeps access lines out of the container's log: remove it" in texts(rows, name)[0][1]


async def test_objects_that_are_nonsense(check):
    """Anybody may write some of these objects."""
    nonsense = [None, [], "x", 7, {"a": None}, {"telemetry": []}, {"telemetry": {"accessLog": {"settings": [None, 7]}}}]
    async with FakeApi() as server:
        for number, value in enumerate(nonsense):
            for product in PRODUCTS:
                gateway_class(server, product.controllers[0], product.name)
            for plural in ("envoyproxies", "clienttrafficpolicies", "contourconfigurations", "telemetries"):
                custom(server, "X", plural, value, name=f"x-{number}")
            for name in ("contour", "istio"):
                server.apply(
                    "ADDED", {"metadata": {"name": name, "namespace": f"n{number}"}, "data": value}, plural="configmaps"
                )
            for plural in ("deployments", "daemonsets"):
                server.apply("ADDED", {"metadata": {"name": f"w{number}"}, "spec": value}, plural=plural)
        code, _, _ = await check(server)
    assert code == 0
