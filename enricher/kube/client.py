"""Credentials and transport for the Kubernetes API, from the pod's own service account or a kubeconfig.

kubernetes_asyncio reads kubeconfigs (merging, exec plugins, OIDC) and does nothing else: its import costs 36 MiB, as
much as the rest of the daemon, so it happens only where there is a kubeconfig; its models are 8 times slower than plain
orjson. What a pod has in place of a kubeconfig is two variables and two files.
"""

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import aiohttp

from enricher import __version__
from enricher.errors import ConfigurationError

CONNECT_SECONDS = 10.0
"""Longest wait for a TCP connection and its TLS handshake."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet projects the pod's token and the cluster's CA."""
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the API server is and who we are to it. Files are paths in PEM; `authorization` is a whole header value."""

    server: str
    authorization: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


class ApiClient:
    """GET requests to one API server, and the one question that takes a POST: may we?

    The credentials are read again for each request: a watch makes one every few minutes, so this costs little, and
    rotated tokens, renewed certificates, expired exec credentials and an edited kubeconfig need nothing more.
    """

    def __init__(self, session: aiohttp.ClientSession, load: Callable[[], Awaitable[Credentials]]) -> None:
        self._session = session
        self._load = load
        self._tls: tuple[object, ssl.SSLContext] | None = None

    @asynccontextmanager
    async def get(
        self, path: str, params: Mapping[str, str], *, silence: float, total: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to GET `path`, its body still to be read.

        `silence` is the longest pause between two reads, `total` the longest time for the whole answer, in seconds.
        Raises ConfigurationError if the credentials cannot be read now, aiohttp.ClientError, OSError or TimeoutError if
        the transport fails (also while the body is read); any HTTP status is an answer.
        """
        async with self._request("GET", path, params=params, silence=silence, total=total) as response:
            yield response

    @asynccontextmanager
    async def ask(self, review: Mapping[str, Any], *, total: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a SelfSubjectAccessReview, with status 201 if it was taken. The server keeps nothing of it;
        `enricher check` asks it, the daemon never does. No other path can be posted to. Raises as `get`.
        """
        async with self._request("POST", ACCESS_REVIEWS, json=review, silence=total, total=total) as response:
            yield response

    async def server(self) -> str:
        """Its URL. Raises ConfigurationError."""
        return (await self._load()).server

    @asynccontextmanager
    async def _request(
        self, method: Literal["GET", "POST"], path: str, *, silence: float, total: float | None, **content: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        credentials = await self._load()
        headers = {"Accept": "application/json"}
        if credentials.authorization:
            headers["Authorization"] = credentials.authorization
        async with self._session.request(
            method,
            credentials.server + path,
            **content,
            headers=headers,
            ssl=self.tls(credentials),
            server_hostname=credentials.server_name,
            proxy=credentials.proxy,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS, sock_read=silence),
        ) as response:
            yield response

    def tls(self, credentials: Credentials) -> ssl.SSLContext:
        """The TLS context, made anew when a certificate file has changed. Raises ConfigurationError."""
        files = (credentials.ca_file, credentials.cert_file, credentials.key_file)
        try:
            key = (credentials.verify, files, [_identity(file) for file in files])
            if self._tls is None or self._tls[0] != key:
                self._tls = key, _tls_context(credentials)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"certificates for {credentials.server}: {_one_line(error)}") from error
        return self._tls[1]


@asynccontextmanager
async def connect(kubeconfig: str | None = None, context: str | None = None) -> AsyncIterator[ApiClient]:
    """An ApiClient for the cluster that the arguments name.

    Without arguments it is $KUBECONFIG, else the pod's own service account, else ~/.kube/config.
    Raises ConfigurationError if there is none, or what there is cannot be used. The server is not asked anything yet.
    """
    load = partial(_load, kubeconfig, context)
    # A connection is never reused: a half-open one would be found dead only after the next silence has passed.
    # No limit: each log that is streamed holds one, and what waits for its turn would wait for ever, the watches too.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    agent = {"User-Agent": f"enricher/{__version__}"}
    async with aiohttp.ClientSession(connector=connector, headers=agent, trust_env=True) as session:
        api = ApiClient(session, load)
        api.tls(await load())
        yield api


async def _load(kubeconfig: str | None, context: str | None) -> Credentials:
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if not path and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _in_cluster()
    return await _from_kubeconfig(path or "~/.kube/config", context, named=bool(path))


def _in_cluster() -> Credentials:
    """What the kubelet gives every pod (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/)."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    ca = SERVICE_ACCOUNT / "ca.crt"
    try:
        token = (SERVICE_ACCOUNT / "token").read_text().strip()
        ca.stat()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the pod's service account in {SERVICE_ACCOUNT}: {_one_line(error)}") from error
    if not token:
        raise ConfigurationError(f"the pod's service account in {SERVICE_ACCOUNT}: the token is empty")
    return Credentials(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        authorization=f"Bearer {token}",
        ca_file=str(ca),
    )


async def _from_kubeconfig(path: str, context: str | None, *, named: bool) -> Credentials:
    import yaml  # noqa: PLC0415  # as the next
    from kubernetes_asyncio import client, config  # noqa: PLC0415  # costs 36 MiB

    if not _any_exists(path):
        raise ConfigurationError(
            f"no kubeconfig at {path}"
            + ("" if named else ", and this is no pod of a cluster (--endpoints needs neither)")
        )
    configuration: Any = client.Configuration()
    try:
        await config.load_kube_config(path, context=context, client_configuration=configuration)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise ConfigurationError(f"kubeconfig {path}: {_one_line(error)}") from error
    except Exception as error:  # over a file of another shape the library trips in its own ways
        raise ConfigurationError(f"kubeconfig {path}: this is no kubeconfig, or it lacks a part") from error
    return _credentials(configuration)


def _any_exists(paths: str) -> bool:
    return any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)


def _credentials(configuration: Any) -> Credentials:
    token = configuration.api_key.get("BearerToken")
    return Credentials(
        server=configuration.host.rstrip("/"),
        authorization=token.strip() if token else None,
        ca_file=configuration.ssl_ca_cert,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
        verify=configuration.verify_ssl,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
    )


def _identity(file: str | None) -> tuple[int, int, int] | None:
    if file is None:
        return None
    found = os.stat(file)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tls_context(credentials: Credentials) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=credentials.ca_file)
    if credentials.cert_file:
        made.load_cert_chain(credentials.cert_file, credentials.key_file)
    if not credentials.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
