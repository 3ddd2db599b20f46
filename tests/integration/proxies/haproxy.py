"""HAProxy: its own HTTP format names a server of its configuration; `%si:%sp` after that names the address."""

import re
from pathlib import Path

from tests.integration.proxies.pods import POOLS
from tests.integration.proxies.programs import Launch, found, output

# What `option httplog` stands for.
HTTPLOG = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
ADDRESSED = HTTPLOG.replace("%b/%s", "%b/%s %si:%sp")  # not at the end, which is cut off of long lines
ADDRESS = f"log-format '{ADDRESSED}'\n  capture request header User-Agent len 256"

FRONTENDS = {
    "httplog": "option httplog",
    "address": ADDRESS,
    "retries": ADDRESS,
    "syslog": ADDRESS,
}
# Lines are cut after 1024 bytes unless told otherwise; one variant shows what is left of a long line then.
LOGS = {
    "httplog": "stdout len 8192 format raw",
    "address": "stdout format raw",
    "retries": "stdout len 8192 format raw",
    "syslog": "stdout len 8192 format rfc3164",
}


def program() -> str:
    return found("haproxy", "apt-get install haproxy")


def version() -> str:
    return re.search(r"version (\S+)", output(program(), "-v"))[1]


def launch(variant: str, port: int, directory: Path, log: Path, error_log: Path) -> Launch:
    retries = "retries 1"
    if variant == "retries":
        retries = "option redispatch\n  retries 3\n  retry-on conn-failure 503"
    text = f"""
global
  log {LOGS[variant]} local0
defaults
  mode http
  log global
  option dontlognull
  timeout connect 1s
  timeout client 5s
  timeout server 1s
  {retries}
frontend web
  bind 127.0.0.1:{port}
  {FRONTENDS[variant]}
  http-request return status 404 if {{ hdr(host) -i nowhere.example }}
"""
    text += "".join(f"  use_backend {name} if {{ hdr(host) -i {name}.example }}\n" for name in POOLS)
    for name, addresses in POOLS.items():
        text += f"backend {name}\n  balance roundrobin\n"
        text += "".join(f"  server s{number} {address}\n" for number, address in enumerate(addresses, 1))
    configuration = directory / "haproxy.cfg"
    configuration.write_text(text)
    return Launch([program(), "-db", "-f", str(configuration)], logs_to_stdout=True)
