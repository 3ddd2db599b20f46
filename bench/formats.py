"""The lines of access logs as the proxies write them, from the same values of a request (generate.py).

What the proxies write was recorded from real ones: tests/integration/proxies/recorded.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from enricher.accesslog.nginx import INGRESS_NGINX

NGINX_CUSTOM = (
    '$time_iso8601 client=$remote_addr "$request" status=$status took=$request_time agent="$http_user_agent" '
    'upstream="$upstream_addr" upstream_status="$upstream_status" upstream_time="$upstream_response_time" '
    "bytes=$body_bytes_sent id=$req_id"
)
NGINX_JSON = (
    'escape=json {"time": "$time_iso8601", "client": "$remote_addr", "request": "$request", "status": $status, '
    '"bytes": $body_bytes_sent, "referer": "$http_referer", "agent": "$http_user_agent", "took": $request_time, '
    '"length": $request_length, "name": "$proxy_upstream_name", "upstream": "$upstream_addr", "upstream_status": '
    '"$upstream_status", "upstream_time": "$upstream_response_time", "upstream_bytes": '
    '"$upstream_response_length", "id": "$req_id"}'
)
ENVOY_TEXT = (
    '[%(start_milliseconds)s] "GET %(uri)s HTTP/1.1" %(status)s - 0 %(body_bytes_sent)s %(milliseconds)s '
    '%(upstream_milliseconds)s "%(remote_addr)s" "%(http_user_agent)s" "%(uuid)s" "shop.example" "%(addr)s"'
)
"""Envoy's own default. It has neither users nor clients' addresses, but the X-Forwarded-For of the client."""
ENVOY_JSON = (
    '{":authority":"shop.example","bytes_received":0,"bytes_sent":%(body_bytes_sent)s,'
    '"connection_termination_details":null,"downstream_local_address":"10.244.0.7:10080",'
    '"downstream_remote_address":"%(remote_addr)s:%(port)s","duration":%(milliseconds)s,"method":"GET",'
    '"protocol":"HTTP/1.1","requested_server_name":null,"response_code":%(status)s,'
    '"response_code_details":"via_upstream","response_flags":"-",'
    '"route_name":"httproute/shop/%(service)s/rule/0/match/0/shop_example","start_time":"%(start_milliseconds)s",'
    '"upstream_cluster":"httproute/shop/%(service)s/rule/0","upstream_host":"%(addr)s",'
    '"upstream_local_address":"10.244.0.7:%(port)s","upstream_transport_failure_reason":null,'
    '"user-agent":"%(http_user_agent)s","x-envoy-origin-path":"%(uri)s","x-envoy-upstream-service-time":null,'
    '"x-forwarded-for":"%(remote_addr)s","x-request-id":"%(uuid)s"}'
)
"""Envoy Gateway's default, which removes the header with the upstream's time."""
HAPROXY = (
    "%(remote_addr)s:%(port)s [%(haproxy_start)s] http shop_svc_%(service)s_http/SRV_%(server)s %(addr)s "
    "0/0/0/%(upstream_milliseconds)s/%(milliseconds)s %(status)s %(body_bytes_sent)s - - ---- "
    '120/118/40/2/%(redispatched)s 0/0 {%(http_user_agent)s} "GET %(uri)s HTTP/1.1"'
)
"""HTTPLOG_ADDRESSED, with `capture request header User-Agent len 256`."""
TRAEFIK_COMMON = (
    '%(remote_addr)s - %(remote_user)s [%(start_local)s] "GET %(uri)s HTTP/1.1" %(status)s %(body_bytes_sent)s '
    '"%(http_referer)s" "%(http_user_agent)s" %(count)s "shop-%(service)s-shop-example@kubernetes" "http://%(addr)s" '
    "%(milliseconds)sms"
)
"""With the two headers, which Traefik writes only if they are configured (`accessLog.fields.headers.names`)."""
TRAEFIK_JSON = (
    '{"ClientAddr":"%(remote_addr)s:%(port)s","ClientHost":"%(remote_addr)s","ClientPort":"%(port)s",'
    '"ClientUsername":"%(remote_user)s","DownstreamContentSize":%(body_bytes_sent)s,"DownstreamStatus":%(status)s,'
    '"Duration":%(nanoseconds)s,"OriginContentSize":%(body_bytes_sent)s,"OriginDuration":%(upstream_nanoseconds)s,'
    '"OriginStatus":%(status)s,"Overhead":%(overhead)s,"RequestAddr":"shop.example","RequestContentSize":0,'
    '"RequestCount":%(count)s,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"%(uri)s",'
    '"RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"http","RetryAttempts":%(retries)s,'
    '"RouterName":"shop-%(service)s-shop-example@kubernetes","ServiceAddr":"%(addr)s",'
    '"ServiceName":"shop-%(service)s-http@kubernetes","ServiceURL":"http://%(addr)s",'
    '"StartLocal":"%(start_nanoseconds)s","StartUTC":"%(start_nanoseconds)s","entryPointName":"web","level":"info",'
    '"msg":"","request_Referer":"%(http_referer)s","request_User-Agent":"%(http_user_agent)s","time":"%(end)s"}'
)


@cache
def _hex_escapes(text: str, *, prefix: str, characters: str) -> str:
    raw = text.encode()
    return re.sub(characters.encode(), lambda match: b"%b%02X" % (prefix.encode(), match[0][0]), raw).decode()


def _nginx_escapes(text: str) -> str:
    return _hex_escapes(text, prefix=r"\x", characters=r'["\\\x00-\x1f\x7f-\xff]')


def _haproxy_escapes(text: str) -> str:
    return _hex_escapes(text, prefix="#", characters=r'["#{|}\x00-\x1f\x7f-\xff]')


@cache
def _json_escapes(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _escaped_quotes(text: str) -> str:
    return text.replace('"', r"\"")


class Format(NamedTuple):
    """A proxy's lines: `template % values`, with the values of a request, `escape`d if a client chooses them."""

    template: str
    escape: Callable[[str], str]
    options: tuple[str, ...]
    """Enricher's options for these lines."""

    def line(self, values: dict[str, str]) -> str:
        return self.template % (values | {key: self.escape(values[key]) for key in ("remote_user", "http_user_agent")})


def _nginx(log_format: str, escape: Callable[[str], str] = _nginx_escapes) -> Format:
    template = re.sub(r"\$(\w+)", r"%(\1)s", log_format.removeprefix("escape=json "))
    return Format(template, escape, ("--log-format", log_format))


FORMATS = {
    "nginx": _nginx(INGRESS_NGINX),
    "nginx-custom": _nginx(NGINX_CUSTOM),
    "nginx-json": _nginx(NGINX_JSON, _json_escapes),
    "envoy": Format(ENVOY_TEXT, str, ("--profile", "envoy")),
    "envoy-json": Format(ENVOY_JSON, _json_escapes, ("--profile", "envoy")),
    "haproxy": Format(HAPROXY, _haproxy_escapes, ("--profile", "haproxy")),
    "traefik": Format(TRAEFIK_COMMON, _escaped_quotes, ("--profile", "traefik")),
    "traefik-json": Format(TRAEFIK_JSON, _json_escapes, ("--profile", "traefik")),
}
