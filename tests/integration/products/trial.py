"""A product on the node, with the daemon behind it and requests through it while its backends come and go."""

import http.client
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.integration.node.installed import BACKEND, DAEMON, DEPLOY, remove_deployed, wait_for_deployed
from tests.integration.node.load import Answer, Load, running_load
from tests.integration.node.output import ID_IN_PATH, Output, Samples, last_words, scrape
from tests.integration.node.proxy import forget_neighbours
from tests.integration.node.witness import Witness
from tests.integration.products.product import Product, Route
from tests.support.kube import Kube, Pod, eventually, first_process, signal_pod

REPLICAS = 3
PATHS = ("/", "/test", "/status/503", "/", "/delay/0.3", "/status/404", "/")
PAUSE = 0.1
"""Seconds between two requests of one worker."""
WORKERS = 3
"""Workers of each route: some 25 requests per second."""
AFTERWARDS = 2.0
"""Seconds for which the load goes on after each step, once all is well again."""
NOBODY = 4.0
"""Seconds for which there is no backend at all."""

GUARD = "safe-upgrades.gateway.networking.k8s.io"
"""What refuses definitions of the experimental channel once there are those of the standard one."""

Ask = Callable[[Route, str, str], Answer]
"""Makes one request by a route, with an id and a path."""


@dataclass(frozen=True)
class Step:
    """What was done to the backends, from when to when (seconds since the epoch)."""

    name: str
    began: float
    ended: float


@dataclass
class Trial:
    kube: Kube
    product: Product
    witness: Witness
    output: Output
    proxy: Pod
    daemon: Pod
    steps: list[Step] = field(default_factory=list)

    def ask(self, route: Route, request_id: str, path: str = "/") -> Answer:
        connection = http.client.HTTPConnection(self.proxy.ip, route.port, timeout=45)
        try:
            headers = {"Host": route.host, "User-Agent": "products", "Connection": "close"}
            connection.request("GET", f"{path}{ID_IN_PATH}{request_id}", headers=headers)
            response = connection.getresponse()
            response.read()
            return Answer(request_id, response.status, response.headers.get("X-Pod-Name"))
        finally:
            connection.close()

    @contextmanager
    def load(self, name: str, routes: Sequence[Route], ask: Ask, paths: Sequence[str]) -> Iterator[Load]:
        """Requests by all routes at once; the daemon's output is collected on the way."""

        def worker(route: Route) -> Callable[[int], Answer]:
            return lambda number: ask(route, f"{name}-{route.name}-{number:06d}", paths[number % len(paths)])

        workers = [worker(route) for route in routes for _ in range(WORKERS)]
        with running_load(workers, PAUSE) as load, ThreadPoolExecutor(2) as pool:
            helpers = [
                pool.submit(load.repeat, 0.5, self.output.collect),
                pool.submit(load.repeat, 0.5, self.forget_neighbours),
            ]
            try:
                load.until(50)
                yield load
            finally:
                load.stop()
            for helper in helpers:
                helper.result()

    def forget_neighbours(self) -> None:
        forget_neighbours(first_process(self.proxy))

    def scrape(self) -> Samples:
        return scrape(self.daemon)

    # --- what is done to the backends --------------------------------------------------------------------------------

    def churn(self, load: Load) -> None:
        """A roll-out, a process killed, a pod deleted by force, no pod at all; all is well again after each of them."""
        for step in (self.roll_out, self.kill, self.delete_by_force, self.scale_to_zero):
            began = time.time()
            step(load)
            self.kube.ready_pods(*BACKEND, count=REPLICAS)
            load.during(AFTERWARDS)
            self.steps.append(Step(step.__name__.replace("_", " "), began, time.time()))

    def roll_out(self, _: Load) -> None:
        self.kube("rollout", "restart", "deployment/backend")
        self.kube("rollout", "status", "deployment/backend", "--timeout=80s")
        eventually(lambda: self.assert_pods(REPLICAS), 60)

    def kill(self, load: Load) -> None:
        signal_pod(self.kube.pods(*BACKEND)[0], signal.SIGKILL)
        # It is still ready for whoever has not heard of it.
        load.during(AFTERWARDS)

    def delete_by_force(self, _: Load) -> None:
        victim = self.kube.pods(*BACKEND)[0]
        self.kube("delete", "pod", victim.name, "--grace-period=0", "--force")

    def scale_to_zero(self, load: Load) -> None:
        self.kube("scale", "deployment/backend", "--replicas=0")
        eventually(lambda: self.assert_pods(0), 60)
        load.during(NOBODY)
        self.kube("scale", "deployment/backend", f"--replicas={REPLICAS}")

    def assert_pods(self, count: int) -> None:
        """Assert that there are so many pods, those that are being deleted included."""
        namespace, label = BACKEND
        assert len(self.kube.get("pods", "-n", namespace, "-l", label)["items"]) == count


@contextmanager
def running_trial(kube: Kube, product: Product) -> Iterator[Trial]:
    """Install a product and the daemon as their users do, and remove both in the end."""
    # A run that was ended may have left the daemon.
    remove_deployed(kube)
    with ExitStack() as stack:
        eventually(lambda: define(kube, product))
        for manifest in product.manifests():
            stack.callback(wait_until_gone, kube, product.proxy)
            stack.callback(kube, "delete", "--ignore-not-found", "-f", "-", stdin=manifest, timeout=180)
            eventually(lambda manifest=manifest: kube("apply", "-f", "-", stdin=manifest))
        stack.callback(remove_deployed, kube)
        stack.push(print_last_words)
        kube("apply", "-f", str(DEPLOY))
        kube("scale", "deployment/backend", f"--replicas={REPLICAS}")
        wait_for_deployed(kube)
        [proxy] = kube.ready_pods(*product.proxy, count=1, timeout=120)
        kube.ready_pods(*BACKEND, count=REPLICAS)
        [daemon] = kube.ready_pods(*DAEMON, count=1)
        witness = stack.enter_context(Witness(kube).watching())
        trial = Trial(kube, product, witness, Output(), proxy, daemon)
        answers = [eventually(lambda route=route: first_answer(trial, route), 60) for route in product.routes]
        # They are counted before anything else is.
        trial.output.of(answers)
        yield trial


def print_last_words(kind: type[BaseException] | None, *_: object) -> None:
    """Print what the daemon said, if the trial failed: its log goes with it."""
    if kind:
        print(last_words())


def define(kube: Kube, product: Product) -> None:
    """Install the definitions; products bring those of the Gateway API from one or the other of its channels."""
    kube(
        "delete",
        "--ignore-not-found",
        f"validatingadmissionpolicy/{GUARD}",
        f"validatingadmissionpolicybinding/{GUARD}",
    )
    # Some are too long for the annotation that a usual `apply` leaves.
    kube("apply", "--server-side", "--force-conflicts", "-R", "-f", str(product.definitions()))


def wait_until_gone(kube: Kube, pods: tuple[str, str]) -> None:
    """A controller that is removed before its proxies have ended leaves them behind for minutes."""
    namespace, label = pods
    kube("wait", "pod", "-n", namespace, "-l", label, "--for=delete", "--timeout=60s", check=False)


def first_answer(trial: Trial, route: Route) -> Answer:
    """Return the answer of the backend, once the product has heard of the route."""
    answer = trial.ask(route, f"warm-{route.name}-{time.time_ns()}")
    assert answer.status == 200, f"{route}: {answer}"
    return answer
