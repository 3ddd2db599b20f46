"""nginx: a name per pool, an upstream group each. The recommended format names every address that was tried."""

import re
from pathlib import Path

from tests.integration.proxies.pods import CALL_POOLS, POOLS
from tests.integration.proxies.programs import Launch, found, output

UPSTREAMS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    '$request_length $request_time "$upstream_addr" $upstream_response_length $upstream_response_time $upstream_status'
)
FORMATS = {
    "combined": None,  # nginx has it built in
    "upstreams": UPSTREAMS,
    "grpc": f"{UPSTREAMS} $upstream_trailer_grpc_status $upstream_http_grpc_status",
}


def program() -> str:
    return found("nginx", "apt-get install nginx-light")


def version() -> str:
    return re.search(r"nginx/(\S+)", output(program(), "-v"))[1]


def launch(variant: str, port: int, directory: Path, log: Path, error_log: Path) -> Launch:
    calls = variant == "grpc"
    pools = CALL_POOLS if calls else POOLS
    kept = FORMATS[variant]
    scratch = "\n".join(
        f"  {each}_temp_path {directory}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = f"""
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {error_log};
events {{}}
http {{
{scratch}
  {f"log_format kept '{kept}';" if kept else ""}
  access_log {log} {"kept" if kept else "combined"};
  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Connection "";
  proxy_connect_timeout 1s;
  proxy_read_timeout 1s;
  proxy_next_upstream error timeout http_502 http_503;
  grpc_connect_timeout 1s;
  grpc_read_timeout 1s;
  grpc_next_upstream error timeout http_502 http_503;
  server {{
    listen 127.0.0.1:{port}{" http2" if calls else ""} default_server;
    return 404;
  }}
"""
    for name, addresses in pools.items():
        # Failures are forgotten, so that each request may meet the dead address; the dead pool shows what it is like
        # when nginx has nobody left to ask.
        forget = "" if name == "dead" else " max_fails=0"
        servers = " ".join(f"server {address}{forget};" for address in addresses)
        passing = f"grpc_pass grpc://{name}" if calls else f"proxy_pass http://{name}"
        text += f"""
  upstream {name} {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    server_name {name}.example;
    location / {{ {passing}; }}
  }}
"""
    configuration = directory / "nginx.conf"
    configuration.write_text(text + "}\n")
    return Launch([program(), "-p", str(directory), "-e", str(error_log), "-c", str(configuration)])
