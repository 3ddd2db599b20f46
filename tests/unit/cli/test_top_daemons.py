"""`enricher top --daemons`: what daemons count comes through the API server, and one that is silent is named."""

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import orjson
import pytest

from demo.fake_api import hang, status, stream
from demo.picture import wait_until_idle
from enricher.cli import daemons_view
from enricher.cli.commands import build_parser
from enricher.cli.main import main
from enricher.cli.top import _daemons_view
from enricher.cli.top_app import TopApp
from enricher.cluster import daemons
from enricher.report.daemon_status import COMMAND_HEADER
from tests.support.fake_daemons_api import FakeDaemonsApi
from tests.support.statuses import FAILING, OUT_OF_SYNC, POD, QUIET
from tests.support.terminals import HOSTILE, terminal
from tests.unit.cli.test_hostile_top import assert_not_obeyed
from tests.unit.cli.test_top import screen


@pytest.fixture
async def api(tmp_path):
    async with FakeDaemonsApi() as server:
        server.write_kubeconfig(tmp_path / "config")
        yield server


@pytest.fixture
def top(tmp_path, capsys):
    """What it prints where there is no terminal: the exit code, and the lines of stdout and stderr."""

    async def top(*arguments):
        code = await asyncio.to_thread(main, ["top", "--kubeconfig", str(tmp_path / "config"), *arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out.splitlines(), err=err.splitlines())

    return top


@pytest.fixture
def view(tmp_path):
    def view(*arguments):
        command = ["top", "--kubeconfig", str(tmp_path / "config"), "--daemons", *arguments]
        return _daemons_view(vars(build_parser().parse_args(command)))

    return view


def cells(lines, name):
    """The numbers of the rows of a pod or its like."""
    return [line.split()[:4] for line in lines if re.search(rf"  {re.escape(name)}$", line)]


async def test_the_whole_cluster_is_printed_once_without_a_terminal(api, top):
    api.daemon("node-a", FAILING)
    api.daemon("node-b", FAILING)
    printed = await top("--daemons")
    assert (printed.code, printed.err) == (0, [])
    assert printed.out[0].split() == ["errors", "hidden", "latest", "sure", "%", "namespace", "service", "pod"]
    assert cells(printed.out, "web-1") == [["24", "16", "23:18", "99"]]
    after = printed.out[next(n for n, line in enumerate(printed.out) if line.endswith("web-1")) + 1 :]
    assert " ".join(" ".join(after[:2]).split()) == (
        "in all 30 errors of 2,000 attempts, 99 % sure; 502:28 (proxy), 503:2 (pod); 28 refused"
    )
    assert printed.out[-1] == "2 daemons · 2 logs followed · last hour, to 23:19 UTC"


async def test_times_in_another_zone(api, top):
    api.daemon("node-a", FAILING)
    printed = await top("--daemons", "--timezone", "Asia/Kolkata")
    assert cells(printed.out, "web-1") == [["12", "8", "04:48", "99"]]
    assert printed.out[-1].endswith("last hour, to 04:49 IST")


async def test_only_daemons_are_asked_at_their_port_as_a_command_asks(api, top):
    received = []

    async def answer(request):
        received.append((request.path, request.headers.get(COMMAND_HEADER)))
        return await status(200)(request)

    api.daemon("node-a", answer, namespace="charted", ports=(("web", 80), ("metrics", 9999)))
    api.other_pod("other", namespace="charted")
    assert (await top("--daemons", "charted")).code == 3
    assert received == [("/api/v1/namespaces/charted/pods/enricher-node-a:9999/proxy/status.json", "top")]
    assert api.requests[0].path == "/api/v1/namespaces/charted/pods"


async def test_by_service_with_causes(api, top):
    api.daemon("node-a", FAILING)
    api.daemon("node-b", replace(FAILING, untried=(replace(FAILING.untried[0], service="shut"),)))
    printed = await top("--daemons", "--by", "service", "service/shut")
    assert cells(printed.out, "shut") == [["34", "0", "23:19", "shop"]]
    assert "    causes at the service: 8 shutting_down (likely), 2 unknown" in printed.out
    assert cells(printed.out, "web") == []


@pytest.mark.parametrize(
    ("arguments", "pods"),
    [
        (["-n", "shop"], ["web-1", "— no_endpoints", "— not_tried"]),
        (["-n", "other"], []),
        (["pod/web-*"], ["web-1"]),
        (["service/shop/down"], ["— no_endpoints", "— not_tried"]),
        (["statefulset/web"], ["web-1"]),
        (["deployment/web"], []),
    ],
)
async def test_what_is_asked_for(api, top, arguments, pods):
    api.daemon("node-a", FAILING)
    printed = await top("--daemons", *arguments)
    found = [pod for line in printed.out if (pod := re.search(r"  (web-1|— \w+)$", line))]
    assert sorted(match[1] for match in found) == sorted(pods)
    assert ("no errors in the last hour" in printed.out) == (not pods)
    assert printed.code == 0


LONG = stream(b"{", b" " * (5 << 20))


@pytest.mark.parametrize(
    ("daemon", "reason"),
    [
        ({"answer": status(404)}, "it has no status page: --status-page is off"),
        ({"answer": status(421)}, "it does not answer under the name of the API server, as older versions do not"),
        ({"answer": status(503, "no route to host")}, 'cannot get pods/proxy in namespace "enricher": 503 no route'),
        ({"answer": LONG}, "its status.json is longer than 4 MiB"),
        ({"answer": stream(b"{", then="abort")}, "no connection to the API server"),
        ({"answer": b"<html>"}, "its answer is not JSON"),
        (
            {"answer": orjson.dumps({"version": "9.9.9"})},
            "status.json has no usable at: the daemon is of version 9.9.9",
        ),
        ({"answer": None, "phase": "Pending"}, "its pod is Pending"),
        ({"answer": None, "ports": ()}, "its pod has no container port named metrics"),
        ({"answer": None, "ports": (("metrics", "9464/../secrets"),)}, "its pod has no container port named metrics"),
    ],
)
async def test_a_daemon_that_says_nothing_is_named_with_the_reason(api, top, daemon, reason):
    api.daemon("node-a", FAILING)
    api.daemon("node-b", **daemon)
    printed = await top("--daemons")
    assert printed.code == 0
    assert len(printed.err) == 1
    assert printed.err[0].startswith(f"enricher: node-b: {reason}")
    assert printed.out[-1].startswith("1 of 2 daemons · 1 log followed")
    assert cells(printed.out, "web-1") == [["12", "8", "23:18", "99"]]


async def test_one_that_does_not_answer_in_time(api, view, monkeypatch):
    monkeypatch.setattr(daemons, "ANSWER_TIMEOUT", 0.2)
    api.daemon("node-a", FAILING)
    api.daemon("node-b", hang)
    await (shown := view()).read()
    assert shown.problems() == ["node-b: no response from the API server"]


async def test_pods_that_have_ended_are_no_daemons(api, top):
    api.daemon("node-a", FAILING)
    api.daemon("node-b", None, phase="Failed")
    api.daemon("node-c", None, phase="Succeeded")
    assert (await top("--daemons")).out[-1].startswith("1 daemon ·")


async def test_what_may_be_missing_is_said_once_for_all_nodes(api, top):
    for node in "abcde":
        api.daemon(f"node-{node}", status(404))
    api.daemon("node-f", replace(OUT_OF_SYNC, failing=(POD,) * 100))
    api.daemon("node-g", replace(QUIET, at="2026-11-22T21:19:13Z"))
    api.daemon("node-h", QUIET)
    assert (await top("--daemons")).err == [
        "enricher: node-a, node-b, node-c and 2 more: it has no status page: --status-page is off",
        f"enricher: node-f: {OUT_OF_SYNC.problem}",
        "enricher: node-f: only the pods that fail most are listed",
        "enricher: node-g: its clock is 120 min behind the others",
    ]


@pytest.mark.parametrize(
    ("denied", "message"),
    [
        ({("list", "pods")}, 'cannot list pods in namespace "enricher": grant the verb list'),
        ({("get", "pods/proxy")}, 'node-a: cannot get pods/proxy in namespace "enricher": grant the verb get'),
    ],
)
async def test_rights_that_are_missing(api, top, denied, message):
    api.daemon("node-a", FAILING)
    api.denied = denied
    printed = await top("--daemons")
    assert (printed.code, printed.out, len(printed.err)) == (3, [], 1)
    assert printed.err[0].endswith(message)


async def test_no_daemon_is_an_error_that_says_what_to_do(api, top):
    printed = await top("--daemons")
    assert (printed.code, printed.out) == (3, [])
    assert printed.err == [
        "enricher: --daemons: no pod in namespace 'enricher' has the label app.kubernetes.io/name=enricher: name the "
        "namespace of the daemons (--daemons NAMESPACE), or install them (docs/install.md)"
    ]


async def test_a_server_that_is_away(api, top):
    await api.stop()
    printed = await top("--daemons")
    assert printed.code == 3
    assert "no connection to the API server" in printed.err[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--daemons", "./log"], "--daemons cannot be combined with files: it reads no logs, and not './log'"),
        (["-", "--daemons"], "--daemons cannot be combined with files"),
        (["--daemons", "--profile", "envoy"], "--profile cannot be combined with --daemons, which reads no logs"),
        (["--daemons", "--pods"], "--pods cannot be combined with --daemons"),
        (["--daemons", "--endpoints", "x"], "--endpoints cannot be combined with --daemons"),
        (["--daemons", "-l", "app=web"], "--selector cannot be combined with --daemons: daemons do not count by label"),
        (["--daemons", "--by", "zone"], "--by zone cannot be combined with --daemons, which count by pod"),
        (["--daemons", "Kube"], "--daemons 'Kube': expected the name of a namespace"),
        (["--daemons=*"], "--daemons '*': expected the name of a namespace"),
        (["--daemons="], "argument --daemons: expected text that is not empty"),
        (["--daemons", "-n", "X"], "--namespace 'X'"),
    ],
)
def test_what_it_cannot_be_combined_with(capsys, arguments, message):
    assert main(["top", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "namespace", "files"),
    [
        (["--daemons"], "enricher", []),
        (["--daemons", "kube-system", "-n", "shop"], "kube-system", []),
        (["--daemons", "-n", "shop", "service/cart"], "enricher", ["service/cart"]),
        (["--daemons", "service/cart"], "enricher", ["service/cart"]),
        (["service/cart", "--daemons"], "enricher", ["service/cart"]),
        (["--daemons=kube-system", "service/cart"], "kube-system", ["service/cart"]),
        (["--daemons", "--", "service/cart"], "enricher", ["service/cart"]),
        ([], None, []),
    ],
)
def test_the_namespace_may_be_missing(arguments, namespace, files):
    parsed = build_parser().parse_args(["top", *arguments])
    assert (parsed.daemons, parsed.files) == (namespace, files)


def test_variables_about_logs_are_for_other_commands(view, monkeypatch):
    monkeypatch.setenv("ENRICHER_ENDPOINTS", "/nowhere")
    monkeypatch.setenv("ENRICHER_PROFILE", "envoy")
    assert view().names == ("namespace", "service", "pod")


# --- in a terminal ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def app_of(view, size=(80, 24)):
    app = TopApp(view, refresh_seconds=None)
    async with app.run_test(size=size) as pilot:
        yield app, pilot


async def until_shown(app, pilot, text):
    async with asyncio.timeout(30):
        while text not in screen(app):
            await asyncio.sleep(0.01)
            app.update_view()
            await wait_until_idle(pilot)


async def test_80_columns(api, view):
    minutes = (*(0,) * 30, 1, *(0,) * 24, 0, 0, 4, 8, 0)
    api.daemon("node-a", replace(FAILING, failing=(replace(POD, errors_per_minute=minutes),), untried=()))
    api.daemon("node-b", status(404))
    async with app_of(view()) as (app, pilot):
        await until_shown(app, pilot, "web-1")
        assert [line for line in screen(app).splitlines() if line] == [
            " 1 of 2 daemons · 1 log followed · last hour, to 23:19 UTC · node-b: it has no",
            " status page: --status-page is off · sorted by errors",
            " namespace  service  pod    errors  hidden  latest  last hour     reason",
            " shop       web      web-1      13       8   23:18        ▁    █  refused",
            " web-1 · 13 errors, 8 hidden; most in 23:18: 8; the latest in 23:18",
            " in all 15 errors of 1,000 attempts, 99 % sure; 502:14 (proxy), 503:1 (pod); 14",
            " refused",
            " ↑ up  ↓ down  s sort  / filter  p pause  esc clear  ? help  q quit",
        ]


@pytest.mark.parametrize("width", [40, 60, 100, 250])
async def test_the_table_is_never_wider_than_the_terminal(api, view, width):
    api.daemon("node-a", FAILING)
    async with app_of(view(), (width, 24)) as (app, pilot):
        await until_shown(app, pilot, "errors  hidden")
        assert app.query_one("PodTable").max_scroll_x == 0


async def test_keys(api, view):
    api.daemon("node-a", FAILING)
    async with app_of(view(), (140, 24)) as (app, pilot):
        await until_shown(app, pilot, "web-1")
        assert "— no_endpoints · 34 errors, 0 hidden" in screen(app)
        await pilot.press("down")
        await wait_until_idle(pilot)
        assert "web-1 · 12 errors, 8 hidden" in screen(app)
        for name in ("latest", "hidden", "attempts", "errors"):
            await pilot.press("s")
            await wait_until_idle(pilot)
            assert f"sorted by {name}" in screen(app)
        await pilot.press("question_mark")
        await wait_until_idle(pilot)
        assert "sort by the next of errors, latest, hidden, attempts" in screen(app)
        assert "last hour  a bar for each five minutes" in screen(app)


async def test_the_view_follows_the_daemons(api, view, monkeypatch):
    """One that is lost is named, and what it counted goes; without a list, the last picture stays."""
    monkeypatch.setattr(daemons_view, "REFRESH_SECONDS", 0.01)
    api.daemon("node-a", FAILING)
    async with app_of(view()) as (app, pilot):
        await until_shown(app, pilot, " 34 ")
        api.daemon("node-b", FAILING)
        await until_shown(app, pilot, " 68 ")
        assert "2 daemons" in screen(app)
        api.daemon("node-b", status(404))
        await until_shown(app, pilot, "node-b: it has no")
        assert " 34 " in screen(app)
        api.denied = {("list", "pods")}
        await until_shown(app, pilot, "cannot list pods")
        assert " 34 " in screen(app)
        api.denied = set()
        api.daemon("node-a", status(404))
        await until_shown(app, pilot, "0 of 2 daemons")
        assert "web-1" not in screen(app)


async def test_none_that_answers_at_first_ends_the_view(api, view):
    api.daemon("node-a", status(404))
    async with app_of(view()) as (app, pilot):
        await until_shown_end(app, pilot)
    assert str(app.failure) == (
        "--daemons: none of the daemons in namespace 'enricher' answers; node-a: it has no status page: "
        "--status-page is off"
    )


async def until_shown_end(app, pilot):
    async with asyncio.timeout(30):
        while app.failure is None:
            await asyncio.sleep(0.01)
            await wait_until_idle(pilot)


async def test_nothing_that_a_daemon_says_is_obeyed_by_a_terminal(api, tmp_path):
    kinds = tuple(replace(kind, code=HOSTILE, origin=HOSTILE) for kind in POD.by_code)
    hostile = replace(POD, pod=f"pod{HOSTILE}", service=HOSTILE, by_code=kinds, failures={HOSTILE: 3})
    api.daemon("node-a", replace(FAILING, failing=(hostile,), untried=(), problem=f"problem{HOSTILE}"))
    api.daemon("node-b", orjson.dumps({"version": HOSTILE}))
    command = ["top", "--kubeconfig", tmp_path / "config", "--daemons"]

    def look():
        with terminal(*command, columns=250) as running:
            running.read(lambda: rb"\x1b]0;owned" in running.output and b"in all 15 errors" in running.output)
            return running.output

    assert_not_obeyed(await asyncio.to_thread(look))


async def test_nothing_that_a_daemon_says_is_obeyed_where_it_is_printed(api, top):
    api.daemon("node-a", replace(FAILING, failing=(replace(POD, pod=f"pod{HOSTILE}"),), problem=HOSTILE))
    printed = await top("--daemons")
    assert any(r"pod\x1b]0;owned" in line for line in printed.out)
    assert all(line.isprintable() for line in (*printed.out, *printed.err))
    assert len(printed.err) == 1
