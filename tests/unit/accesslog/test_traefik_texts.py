"""Texts of Traefik's common format hold spaces, and quotes that are escaped, but backslashes that are not."""

import pytest

from enricher.accesslog.traefik import compile_format

(COMMON,) = compile_format("common")
LINE = '192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 5 "{}" "{}" 12 "web@k" "http://10.0.0.1:80" 3ms'


@pytest.mark.parametrize(
    ("referer", "agent", "expected"),
    [
        ("-", "curl/8", ("-", "curl/8")),
        ("a b c", "Mozilla/5.0 (X11; Linux)", ("a b c", "Mozilla/5.0 (X11; Linux)")),
        (r"\"q\" 5", r"say \"hi\" 12 \"x\"", ('"q" 5', 'say "hi" 12 "x"')),
        ("-", "ends with \\", ("-", "ends with \\")),
    ],
)
def test_each_text_is_read_as_it_was(referer: str, agent: str, expected: tuple[str, str]) -> None:
    record = COMMON.parse(LINE.format(referer, agent).encode())
    assert record is not None
    assert (record.fields["http_referer"], record.fields["http_user_agent"]) == expected
    assert [attempt.addr for attempt in record.attempts] == ["10.0.0.1:80"]
