"""What the backend answers, asked over a real connection."""

import logging
from collections.abc import Iterator

import pytest
from tornado.httpclient import HTTPResponse
from tornado.testing import AsyncHTTPTestCase

from backend.app import MAX_ALLOCATION, MAX_DELAY, Backend, parse_delay


class Asking(AsyncHTTPTestCase):
    def get_app(self) -> Backend:
        self.backend = Backend("backend-7d9f-x2")
        return self.backend

    def runTest(self) -> None:  # noqa: N802 - unittest wants a method of this name to make an instance
        """Nothing: the tests below are functions."""

    def ask(self, path: str, method: str = "GET", body: str | None = None) -> HTTPResponse:
        return self.fetch(path, method=method, body=body, allow_nonstandard_methods=True)


@pytest.fixture
def backend() -> Iterator[Asking]:
    case = Asking()
    case.setUp()
    yield case
    case.tearDown()


@pytest.mark.parametrize("path", ["/", "/test", "/?q=1"])
def test_the_greeting_names_the_pod(backend: Asking, path: str) -> None:
    response = backend.ask(path)
    assert (response.code, response.body) == (200, b"i am backend in backend-7d9f-x2")


def test_a_post_is_logged_on_one_line_and_greeted(backend: Asking, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "backend"):
        response = backend.ask("/test", "POST", "name=a\nINFO forged \u00fc")
    assert response.body == b"i am backend in backend-7d9f-x2"
    assert caplog.messages[0] == r"POST /test: 'name=a\nINFO forged ü'"


@pytest.mark.parametrize("code", [200, 201, 404, 418, 502, 599])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_status_is_answered_as_asked(backend: Asking, code: int, method: str) -> None:
    response = backend.ask(f"/status/{code}", method)
    assert (response.code, response.body) == (code, b"i am backend in backend-7d9f-x2")


def test_memory_is_kept(backend: Asking) -> None:
    response = backend.ask("/allocate/2", "POST")
    assert (response.code, response.body) == (200, b"i am backend in backend-7d9f-x2")
    assert [len(taken) for taken in backend.backend.allocated] == [2 << 20]


@pytest.mark.parametrize("memory", ["", "abc", "-1", "1.5", str(MAX_ALLOCATION + 1), "٢"])
def test_a_wrong_amount_of_memory_is_refused_with_a_reason(backend: Asking, memory: str) -> None:
    response = backend.ask(f"/allocate/{memory}", "POST")
    assert response.code == 400
    assert response.body.startswith(b"the memory must be a number of MiB from 0 to 1024, not ")
    assert not backend.backend.allocated


def test_a_link_takes_no_memory(backend: Asking) -> None:
    assert backend.ask("/allocate/2").code == 405


@pytest.mark.parametrize("code", [204, 304])
def test_a_status_without_a_body_has_none(backend: Asking, code: int) -> None:
    response = backend.ask(f"/status/{code}")
    assert (response.code, response.body) == (code, b"")


@pytest.mark.parametrize("path", ["/", "/test", "/healthz", "/status/503", "/delay/0"])
def test_head_answers_without_a_body(backend: Asking, path: str) -> None:
    assert backend.ask(path, "HEAD").body == b""


@pytest.mark.parametrize("code", ["", "abc", "99", "199", "600", "02000", "-200", "٢٠٠", "2e2", "200/"])
def test_a_wrong_status_is_refused_with_a_reason(backend: Asking, code: str) -> None:
    response = backend.ask(f"/status/{code}")
    assert response.code == 400
    assert response.body.startswith(b"the status must be a number from 200 to 599, not ")


@pytest.mark.parametrize("seconds", ["", "abc", "-1", "nan", "inf", "301", "1e9", "1,5"])
def test_a_wrong_delay_is_refused_with_a_reason(backend: Asking, seconds: str) -> None:
    response = backend.ask(f"/delay/{seconds}")
    assert response.code == 400
    assert response.body.startswith(b"the delay must be a number of seconds from 0 to 300, not ")


def test_a_delay_is_waited_for(backend: Asking) -> None:
    response = backend.ask("/delay/0.2")
    assert response.code == 200
    assert response.request_time is not None
    assert response.request_time >= 0.2


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("1.5", 1.5), ("300", MAX_DELAY), ("300.1", None)])
def test_the_bounds_of_a_delay(text: str, seconds: float | None) -> None:
    assert parse_delay(text) == seconds


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        ("/", "GET", 200),
        ("/healthz", "GET", 200),
        ("/status/502", "GET", 502),
        ("/status/204", "GET", 204),
        ("/status/abc", "GET", 400),
        ("/delay/abc", "GET", 400),
        ("/status/%ff", "GET", 400),
        ("/nowhere", "GET", 404),
        ("/nowhere", "POST", 404),
        ("/", "DELETE", 405),
        ("/", "BREW", 405),
    ],
)
def test_every_response_names_the_pod(backend: Asking, path: str, method: str, code: int) -> None:
    response = backend.ask(path, method)
    assert response.code == code
    assert response.headers["X-Pod-Name"] == "backend-7d9f-x2"
    assert response.headers.get("Content-Type", "").startswith("text/plain") or code == 204


def test_a_broken_handler_still_names_the_pod(backend: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.app.BaseHandler.send_greeting", lambda _: 1 / 0)
    response = backend.ask("/")
    assert (response.code, response.body) == (500, b"500 Internal Server Error")
    assert response.headers["X-Pod-Name"] == "backend-7d9f-x2"
