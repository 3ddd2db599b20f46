"""Everything that a user can set, in groups; enricher/config/options.py has the option for each setting."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Formats
from enricher.line import Source
from enricher.tailer.selector import Selector, fixed_directory

DEFAULT_LOG_DIR = "/var/log/pods"
"""Directory in which the kubelet keeps the logs of pods."""
DOCKER_ROOT = "/var/lib/docker/containers"
"""Directory to which the links in the log directory lead under Docker."""

Start = Literal["beginning", "end"]
OutputMode = Literal["json", "none"]
Switch = Literal["on", "off"]


class ListenAddress(NamedTuple):
    """Where to serve HTTP; the host None stands for all addresses."""

    host: str | None
    port: int


DEFAULT_LISTEN = ListenAddress(None, 9464)


def default_selectors(profile: str) -> tuple[Selector, ...]:
    """Return the selectors of a profile, which apply if the user names it and does not give any."""
    return tuple(Selector.parse(text) for text in (*PROFILES[profile].selectors, *PROFILES[profile].wide_selectors))


USUAL_SELECTORS = tuple(
    Selector.parse(text, guess=name) for name, profile in PROFILES.items() for text in profile.selectors
)
"""The selectors of the usual ingress proxies, which apply if the user gives neither a profile nor selectors."""


def describe_selection(selectors: Sequence[Selector]) -> str:
    """Return what selectors select, for messages: the usual ones are many."""
    if selectors == USUAL_SELECTORS:
        return "the usual names of ingress proxies"
    return " or ".join(selector.text for selector in selectors)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Which logs are followed, from where on, and what their lines look like."""

    directory: str = DEFAULT_LOG_DIR
    select: Sequence[Selector] = USUAL_SELECTORS
    profile: str | None = None
    """Name of the proxy's profile; None: it is detected from the first lines of each log."""
    formats: Formats | None = None
    """The log format that the user gave, compiled; None: that of the profile."""
    format_note: str = ""
    """Which of several formats of a file was taken, for a warning; empty if there was nothing to choose."""
    controller_configmap: tuple[str, str] | None = None
    """Namespace and name of the controller's ConfigMap, whose log format is followed."""
    start: Start = "beginning"
    """Where to begin in a log that was never read before."""
    since: float = 0.0
    """Seconds before now from which on `tail` reads."""
    own_pod: tuple[str, str] | None = None
    """Namespace and name of the pod that runs this process: its own log is never followed."""

    @property
    def given_profile(self) -> str | None:
        """Return the profile if it need not be detected: the user gave it, or a controller with a ConfigMap."""
        return self.profile or (DEFAULT_PROFILE if self.controller_configmap else None)

    def is_proxy(self, source: Source) -> bool:
        """Return whether a container is selected or, with neither a profile nor a selection, any proxy's."""
        profiles = PROFILES if self.select == USUAL_SELECTORS and not self.profile else ()
        selectors = [*self.select, *(selector for profile in profiles for selector in default_selectors(profile))]
        return any(
            selector.matches_pod(source.namespace, source.pod) and selector.matches_container(source.container)
            for selector in selectors
        )

    @property
    def expected_format(self) -> str:
        """Return what messages call the log format that lines are to have."""
        if self.formats:
            return "the given log format"
        if self.controller_configmap:
            return "the log format of the controller's ConfigMap"
        return f"a log format of the profile {self.profile}" if self.profile else "a known log format"

    @property
    def roots(self) -> tuple[str, ...]:
        """Return the directories that log files may lie in: a link that leads out of them is not followed."""
        paths = (selector.text for selector in self.select if not selector.namespace)
        return (self.directory, "/var/log", DOCKER_ROOT, *map(fixed_directory, paths))


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Where endpoints come from: a cluster's API server, or files in its place."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    """The only namespace to watch; None: all."""
    services: bool = False
    """Whether Services are watched too."""
    pods: bool = False
    """Whether the pods that failed are looked up."""
    endpoints: Sequence[str] = ()
    """Files that replace the cluster."""
    extra_endpoints: Sequence[str] = ()
    """Files with addresses outside the cluster, which are used beside it or beside the files that replace it."""
    retention: float = 3600.0
    """Seconds for which the history remembers who held an address."""


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """What goes to stdout."""

    mode: OutputMode = "json"
    """`none`: lines are only counted."""
    node: str = ""
    """Name of the node whose logs are read."""
    pod_variable: str = "upstream_http_x_pod_name"
    """Variable of the log format that holds the answering pod's name."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What is served over HTTP."""

    listen: ListenAddress = DEFAULT_LISTEN
    status_page: Switch = "on"
    max_series: int = 20_000
    """Pods (as members of services) that get series of their own; all further ones share one."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a command."""

    logs: LogSettings = field(default_factory=LogSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    state_dir: str | None = None
    """Directory in which the daemon remembers what it has read; None: it remembers nothing."""
