"""An API server that sends nonsense, of a hostile tenant or of its own, beside a well-behaved namespace."""

from collections import Counter

import orjson
from aiohttp import web

from demo.fake_api import GONE, slice_of, status, stream
from tests.faults.nonsense import GOOD, NO_JSON, TENANT, TEXTS, Nonsense, dump

MARKER = "marker"
"""The slice that ends each connection: with it, all that was sent before has arrived."""


class NonsenseApi:
    """An API server with a well-behaved namespace and a hostile one.

    Unless it is `broken`, it does what a real one does: it writes valid lists and events, and the tenant's objects have
    the tenant's namespace, whatever else is in them.
    """

    def __init__(self, rng, broken):
        self.rng, self.nonsense, self.broken = rng, Nonsense(rng), broken
        self.version, self.generation, self.number = 10, 0, 0
        self.good, self.tenant, self.sent = {}, {}, Counter()
        self.expected = {}
        """The pods by address, as of each marker."""
        for n in range(3):
            self._change_good(n)

    def _change_good(self, n):
        self.generation += 1
        pods = {f"10.0.{n}.{k}": f"web-{n}-{k}-{self.generation}" for k in range(1, 4)}
        return self._store(f"web-{n}", pods)

    def _store(self, name, pods):
        self.version += 1
        obj = slice_of(name, pods, namespace=GOOD, service="web", port=80)
        metadata = {"name": name, "namespace": GOOD, "resourceVersion": str(self.version)}
        self.good[name] = obj | {"metadata": metadata | {"labels": obj["metadata"]["labels"]}}
        return self.good[name]

    def _mark(self):
        """Return the event of a new marker."""
        self.number += 1
        marker = self._store(MARKER, {"10.0.255.1": f"marker-{self.number}"})
        self.expected[self.number] = {
            endpoint["addresses"][0]: endpoint["targetRef"]["name"]
            for obj in self.good.values()
            for endpoint in obj["endpoints"]
        }
        return event("ADDED", orjson.dumps(marker))

    async def answer(self, request):
        if self.broken and self.rng.random() < 0.4:
            return await self._fault()(request)
        return await (self._watch if "watch" in request.query else self._list)(request)

    def _fault(self):
        nonsense = [*TEXTS, "x" * 9000]
        kind = self.rng.choice(["status", "gone", "stream", "items", "body"])
        self.sent[f"fault {kind}"] += 1
        match kind:
            case "status":
                code = self.rng.choice([201, 204, 301, 400, 401, 403, 404, 410, 429, 500, 503, 504, 599])
                retry = self.rng.choice(["", "1", "-1", "nan", "9" * 1000, "Wed, 21 Oct 2026", "1e9"])
                return status(code, self.rng.choice(nonsense), retry)
            case "gone":
                return stream(GONE)
            case "items":
                items = self.rng.choice([b"null", b"{}", b"1", b'[1,{"metadata":{}}]', b"[null]", b'["a"]'])
                return stream(b'{"metadata":{"resourceVersion":%b},"items":%b}' % (dump(self.nonsense.value()), items))
            case "body":
                return stream(dump(self.nonsense.value()), b"\n", then=self.rng.choice(["close", "abort"]))
            case _:
                return stream(self.rng.choice(NO_JSON), self.rng.choice(TEXTS).encode(), b"\n")

    async def _list(self, request):
        items = [orjson.dumps(obj) for obj in self.good.values()]
        for raw in self.tenant.values():
            items.insert(self.rng.randrange(len(items) + 1), raw)
        head = b'{"kind":"EndpointSliceList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":['
        body = head % self.version + b",".join(items) + b"]}\n"
        self.sent["list"] += 1
        if self.broken and self.rng.random() < 0.5:
            self.sent["mutated list"] += 1
            items = [self.nonsense.mutated(item) if item in self.tenant.values() else item for item in items]
            body = head % self.version + b",".join(items) + b"]}\n"
        elif self.broken:
            self.sent["cut list"] += 1
            body = body[: self.rng.randrange(len(body))]
        return await self._send(request, body)

    async def _watch(self, request):
        # What a connection sent after a line of nonsense was not read. The version from which the client goes on may be
        # a part of the nonsense, so all is sent again.
        lines = [event("MODIFIED", orjson.dumps(obj)) for obj in self.good.values() if self.broken]
        for _ in range(self.rng.choice([0, 1, 5, 30])):
            if self.rng.random() < 0.2:
                lines.append(event("MODIFIED", orjson.dumps(self._change_good(self.rng.randrange(3)))))
            else:
                lines.append(self._tenant_event())
        if self.broken and self.rng.random() < 0.5:
            self.sent["mutated events"] += 1
            lines = [self.nonsense.mutated(line) if TENANT.encode() in line else line for line in lines]
            lines += [b'{"type":%b,"object":%b}\n' % (dump(self.nonsense.value()), dump(self.nonsense.value()))]
        lines.append(self._mark())
        return await self._send(request, b"".join(lines))

    def _tenant_event(self):
        self.version += 1
        text = dump(obj := self.nonsense.object(self.version))
        kind = self.rng.choice(["ADDED", "MODIFIED", "MODIFIED", "DELETED"])
        self.sent[kind] += 1
        if self.rng.random() < 0.1:
            self.sent["poisoned"] += 1
            text = self.nonsense.poisoned(text)
        name = obj["metadata"]["name"]
        self.tenant.pop(name, None)
        if kind != "DELETED":
            self.tenant[name] = text
        return event(kind, text)

    async def _send(self, request, body):
        """Send the body in pieces that end at any byte."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        cuts = sorted(self.rng.randrange(len(body) + 1) for _ in range(self.rng.choice([0, 1, 4, 20])))
        for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            await response.write(body[begin:end])
        return response


def event(kind, text):
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), text)
