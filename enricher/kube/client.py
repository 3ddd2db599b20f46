"""Credentials and transport for the Kubernetes API, from the pod's own service account or a kubeconfig.

kubernetes_asyncio is used for reading kubeconfigs (merging, exec plugins, OIDC) and nothing else. Its import costs
36 MiB, as much as the rest of the daemon, so it is imported only where there is a kubeconfig. Its models are 8 times
slower than plain orjson. A pod does not need it: its credentials are two environment variables and two files.
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

CONNECT_TIMEOUT = 10.0
"""Longest wait for a TCP connection and its TLS handshake, in seconds."""
SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The directory into which the kubelet projects the pod's token and the cluster's CA."""
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The address of the API server and our identity. Files are paths of PEM files.

    `authorization` is the complete value of the HTTP header.
    """

    server: str
    authorization: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


class ApiClient:
    """A client for GET requests to one API server, and for access reviews, which take a POST.

    The credentials are read again for each request. A watch makes one every few minutes, so this costs little, and it
    takes care of rotated tokens, renewed certificates, expired exec credentials and an edited kubeconfig.
    """

    def __init__(self, session: aiohttp.ClientSession, load_credentials: Callable[[], Awaitable[Credentials]]) -> None:
        self._session = session
        self._load_credentials = load_credentials
        self._cached_tls: tuple[object, ssl.SSLContext] | None = None

    @asynccontextmanager
    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        idle_timeout: float,
        total_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET request and yield the response, whatever its HTTP status, with its body still to be read.

        `idle_timeout` limits the pause between two reads, `total_timeout` the time for the whole response, in seconds.

        Raise ConfigurationError if the credentials cannot be read now. Raise aiohttp.ClientError, OSError or
        TimeoutError if the transport fails, also while the body is read.
        """
        async with self._request(
            "GET", path, params=params, idle_timeout=idle_timeout, total_timeout=total_timeout, headers=headers
        ) as response:
            yield response

    @asynccontextmanager
    async def review_access(
        self, review: Mapping[str, Any], *, total_timeout: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a SelfSubjectAccessReview and yield the response, whose status is 201 if the review was accepted.

        The server does not store the review. Only `enricher check` sends one, the daemon never does. No other path can
        be posted to. Raise the same errors as `get`.
        """
        async with self._request(
            "POST", ACCESS_REVIEWS, json=review, idle_timeout=total_timeout, total_timeout=total_timeout
        ) as response:
            yield response

    async def server_url(self) -> str:
        """Return the URL of the API server. Raise ConfigurationError if the credentials cannot be read."""
        return (await self._load_credentials()).server

    @asynccontextmanager
    async def _request(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        idle_timeout: float,
        total_timeout: float | None,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        credentials = await self._load_credentials()
        all_headers = {"Accept": "application/json", **(headers or {})}
        if credentials.authorization:
            all_headers["Authorization"] = credentials.authorization
        async with self._session.request(
            method,
            credentials.server + path,
            **content,
            headers=all_headers,
            ssl=self.tls_context(credentials),
            server_hostname=credentials.server_name,
            proxy=credentials.proxy,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=total_timeout, sock_connect=CONNECT_TIMEOUT, sock_read=idle_timeout),
        ) as response:
            yield response

    def tls_context(self, credentials: Credentials) -> ssl.SSLContext:
        """Return the TLS context, which is created again when a certificate file has changed.

        Raise ConfigurationError if a certificate cannot be used.
        """
        files = (credentials.ca_file, credentials.cert_file, credentials.key_file)
        try:
            key = (credentials.verify, files, [_file_version(file) for file in files])
            if self._cached_tls is None or self._cached_tls[0] != key:
                self._cached_tls = key, _create_tls_context(credentials)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                f"cannot use the certificates for {credentials.server}: {error_in_one_line(error)}"
            ) from error
        return self._cached_tls[1]


@asynccontextmanager
async def connect(
    kubeconfig: str | None = None, context: str | None = None, *, takes_files: bool = True
) -> AsyncIterator[ApiClient]:
    """Yield an ApiClient for the cluster that the arguments name.

    Without arguments that is the cluster of $KUBECONFIG, else of the pod's own service account, else of ~/.kube/config.
    `takes_files` says whether the command has --endpoints, which an error then names as the way without a cluster.

    Raise ConfigurationError if there are no credentials, or they cannot be used. No request is sent yet.
    """
    load = partial(_load_credentials, kubeconfig, context, takes_files=takes_files)
    # Connections are never reused: a half-open one would be noticed only after another idle timeout.
    # Their number is not limited: each streamed log holds one, so further logs and the watches would wait forever.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    headers = {"User-Agent": f"enricher/{__version__}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, trust_env=True) as session:
        api = ApiClient(session, load)
        api.tls_context(await load())
        yield api


async def _load_credentials(kubeconfig: str | None, context: str | None, *, takes_files: bool = True) -> Credentials:
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if not path and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _service_account_credentials()
    if path:
        return await _kubeconfig_credentials(path, context)
    remedy = "give one with --kubeconfig" + (", or use --endpoints" if takes_files else "")
    hint = f", and this process does not run in a pod: {remedy}"
    return await _kubeconfig_credentials("~/.kube/config", context, hint)


def _service_account_credentials() -> Credentials:
    """Return the credentials that the kubelet gives every pod.

    See https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    ca = SERVICE_ACCOUNT_DIR / "ca.crt"
    try:
        token = (SERVICE_ACCOUNT_DIR / "token").read_text().strip()
        ca.stat()
    except (OSError, ValueError) as error:
        reason = error_in_one_line(error)
        raise ConfigurationError(f"the pod's service account in {SERVICE_ACCOUNT_DIR}: {reason}") from error
    if not token:
        raise ConfigurationError(f"the pod's service account in {SERVICE_ACCOUNT_DIR}: the token is empty")
    return Credentials(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        authorization=f"Bearer {token}",
        ca_file=str(ca),
    )


async def _kubeconfig_credentials(paths: str, context: str | None, hint: str = "") -> Credentials:
    """Return the credentials of a kubeconfig; several `paths` are separated by colons.

    Raise ConfigurationError if there is none, with the hint.
    """
    import yaml  # noqa: PLC0415  # only for kubeconfigs, as the next
    from kubernetes_asyncio import client, config  # noqa: PLC0415  # costs 36 MiB

    if not _any_exists(paths):
        raise ConfigurationError(f"no kubeconfig at {paths}{hint}")
    configuration: Any = client.Configuration()
    try:
        await config.load_kube_config(paths, context=context, client_configuration=configuration)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise ConfigurationError(f"kubeconfig {paths}: {error_in_one_line(error)}") from error
    except Exception as error:  # the library raises all kinds of errors for a file of another shape
        raise ConfigurationError(f"kubeconfig {paths}: not a kubeconfig, or incomplete") from error
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


def _any_exists(paths: str) -> bool:
    return any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)


def _file_version(path: str | None) -> tuple[int, int, int] | None:
    """Return a value that changes whenever the file is replaced or rewritten. Raise OSError if it is missing."""
    if path is None:
        return None
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _create_tls_context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=credentials.ca_file)
    if credentials.cert_file:
        context.load_cert_chain(credentials.cert_file, credentials.key_file)
    if not credentials.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def error_in_one_line(error: BaseException) -> str:
    """Return the error's text without line breaks, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
