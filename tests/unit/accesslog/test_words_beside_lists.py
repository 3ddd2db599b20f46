"""Text beside an upstream list that looks like more of it: a comma at its end, an address, a list of its own."""

import pytest

from enricher.accesslog.nginx import compile_format


def parse(format_, line, *names):
    record = compile_format(format_).parse(line)
    return [attempt.addr for attempt in record.attempts], *(record.fields[name] for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "x"),
        ("x,", "x,"),
        ("x :", "x :"),
        ("x, y,", "x, y,"),
        ("x, 10.9.9.9:80,", "x, 10.9.9.9:80,"),
        (",", ","),
        ("-,", "-,"),
    ],
)
def test_a_word_that_ends_in_a_comma_before_a_list(text, expected):
    line = f"{text} 10.0.0.1:80 200".encode()
    assert parse("$http_x $upstream_addr $upstream_status", line, "http_x") == (["10.0.0.1:80"], expected)


def test_a_word_before_a_list_of_several():
    line = b"x, 10.0.0.1:80, 10.0.0.2:80 502, 200"
    addrs, text = parse("$http_x $upstream_addr $upstream_status", line, "http_x")
    assert (addrs, text) == (["10.0.0.1:80", "10.0.0.2:80"], "x,")


def test_a_redirect_before_which_no_peer_was_chosen():
    line = b"x 10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 502, 502 : 200"
    addrs, text = parse("$http_x $upstream_addr $upstream_status", line, "http_x")
    assert (addrs, text) == (["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"], "x")


@pytest.mark.parametrize("text", ["x", ", 9", ": 9", "9, 9", " : 9, 9", ", 9 : 9, x"])
def test_a_word_after_a_list(text):
    line = f"10.0.0.1:80, 10.0.0.2:80 502, 200 {text}".encode()
    addrs, found = parse("$upstream_addr $upstream_status $http_x", line, "http_x")
    assert (addrs, found) == (["10.0.0.1:80", "10.0.0.2:80"], text)


@pytest.mark.parametrize("text", ["x", "x,"])
def test_a_word_before_the_only_list(text):
    assert parse("$http_x $upstream_addr", f"{text} 10.0.0.1:80".encode(), "http_x") == (["10.0.0.1:80"], text)


@pytest.mark.parametrize("text", ["x", ": 10.9.9.9:80", "x, y"])
def test_a_word_after_the_only_list(text):
    line = f"10.0.0.1:80, 10.0.0.2:80 {text}".encode()
    addrs, found = parse("$upstream_addr $http_x", line, "http_x")
    assert (addrs, found) == (["10.0.0.1:80", "10.0.0.2:80"], text)
