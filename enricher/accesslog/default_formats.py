"""The formats that programs made of nginx or Envoy write if nothing is configured, today and in older versions. Data.

Each is rebuilt from the program's source or its documentation (docs/proxies/tested.md).
"""

from enricher.accesslog import envoy, nginx

_NGINX_HEAD = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent'
_UPSTREAM_LISTS = "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status"

INGRESS_NGINX_0_25 = nginx.INGRESS_NGINX.replace("$remote_addr -", "$remote_addr - [$the_real_ip] -")
"""ingress-nginx 0.25 (internal/ingress/controller/config/config.go there, as are the others)."""
INGRESS_NGINX_0_15 = INGRESS_NGINX_0_25.replace(" [$proxy_alternative_upstream_name]", "")
"""ingress-nginx 0.15 to 0.24."""
INGRESS_NGINX_0_9 = INGRESS_NGINX_0_15.removesuffix(" $req_id")
"""ingress-nginx 0.9 to 0.14."""
ALIBABA = f"{INGRESS_NGINX_0_15} $host [$proxy_alternative_upstream_name]"
"""The controller of Alibaba's clusters, as its ConfigMap sets the format."""
TENCENT = nginx.INGRESS_NGINX.replace("[$time_local]", "[$time_iso8601] $msec").replace(
    _UPSTREAM_LISTS, " ".join(f"[{name}]" for name in _UPSTREAM_LISTS.split(" "))
)
"""The controller of Tencent's clusters, as its ConfigMap sets the format; it writes to files."""

APISIX_2_0 = (
    f"{_NGINX_HEAD} $request_time ".replace('"$request"', '$http_host "$request"')
    + '"$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time'
)
"""APISIX 1.0 to 2.0, or later."""
APISIX_3_0 = f'{APISIX_2_0} "$upstream_url"'
"""APISIX before 3.15. Its format puts the last text, a URL, together from three variables."""
APISIX = f'{APISIX_3_0} "$apisix_request_id"'
"""APISIX 3.15 and later."""
KONG = f'{_NGINX_HEAD} "$http_referer" "$http_user_agent" kong_request_id: "$kong_request_id"'
"""Kong 3.5 and later; older versions write nginx's own default."""

_MIXER = '%RESPONSE_FLAGS% "%DYNAMIC_METADATA(istio.mixer:status)%"'
ISTIO_1_8 = envoy.ISTIO.replace("%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ", "")
"""Istio after Mixer and before 1.9 (pilot/pkg there, as are the others)."""
ISTIO_1_3 = ISTIO_1_8.replace("%RESPONSE_FLAGS%", _MIXER)
"""Istio 1.3 to 1.5."""
ISTIO_1_2 = ISTIO_1_3.removesuffix(" %ROUTE_NAME%")
ISTIO_1_1 = ISTIO_1_2.replace(' "%UPSTREAM_TRANSPORT_FAILURE_REASON%"', "")
EMISSARY = f"ACCESS {envoy.DEFAULT}"
"""Emissary, formerly Ambassador."""
