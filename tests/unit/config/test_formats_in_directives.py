"""The directives of nginx.conf and haproxy.cfg give the format that was written, however it is quoted and laid out."""

import re

from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.nginx import compile_format
from enricher.config.directive_formats import find_directives

LITERALS = st.lists(
    st.sampled_from(["a", " ", "'", '"', "#", "' #", '" # ', "\\", "[", "{", "}", "; ", ":", "é"]), max_size=4
).map("".join)
NOISE = st.sampled_from(
    [
        "",
        "# log_format no '$status';",
        "server { listen 80; } # it's log_format no '$a';",
        "content_by_lua_block { local a = \"it's\" -- ; don't",
        "access_log off;",
        'add_header x "; log-format %ci";',
    ]
)


def in_nginx_quotes(text, quote):
    if not quote and not re.search(r"[\s\\'\";{}]|^#", text):
        return text
    quote = quote or "'"
    return quote + re.sub(r"[\\'\"]", r"\\\g<0>", text) + quote


VARIABLES = st.sampled_from(["$status", "$upstream_addr", "$request_time"])


@given(st.lists(st.tuples(LITERALS, VARIABLES), min_size=1, max_size=4), st.data())
def test_nginx_conf(pieces, data):
    words = [f"{literal}{variable}=" for literal, variable in pieces]
    quoted = [in_nginx_quotes(word, data.draw(st.sampled_from(["'", '"', ""]))) for word in words]
    glue = data.draw(st.sampled_from([" ", "\n    ", "\n  # a comment; it's one\n  "]))
    directive = f"log_format timed{glue}{glue.join(quoted)};"
    lines = [data.draw(NOISE), data.draw(st.sampled_from(["", "http { "])) + directive, data.draw(NOISE)]
    (found,) = find_directives("\n".join(lines))
    assert compile_format(found.text).text == "".join(words)
    assert found.place == "log_format timed in line 2"


def in_haproxy_words(text, style):
    if style == "strong" and "'" not in text:
        return f"'{text}'"
    if style == "weak":
        return '"' + re.sub(r'[\\"]', r"\\\g<0>", text) + '"'
    return re.sub(r"[\\\s\"'#]", r"\\\g<0>", text)


@given(LITERALS, LITERALS, st.sampled_from(["strong", "weak", "none"]), st.sampled_from(["", ' # it\'s "all"', "\t"]))
def test_haproxy_cfg(before, after, style, end):
    text = f"{before}%ci %ST{after}"
    section = f"frontend web # 'first\n  option httplog\n  log-format {in_haproxy_words(text, style)}{end}\n"
    for content in (section, f"global\n  log stdout format raw local0\ndefaults\n  mode http\n{section}backend b\n"):
        (found,) = find_directives(content)
        assert (found.text, found.profile) == (text, "haproxy")
        assert found.place.startswith("frontend web: log-format in line ")
