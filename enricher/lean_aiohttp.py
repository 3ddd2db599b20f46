"""aiohttp, imported without the system's certificate authorities.

When it is imported, aiohttp makes TLS contexts with all of them for requests that bring none. Ours bring their own,
always; what is never used would cost a daemon that idles 2 MiB, and each start a tenth of its CPU time.
"""

import ssl
from typing import Any

_LOADING = ("load_default_certs", "set_default_verify_paths")


def _replace(methods: dict[str, Any]) -> None:
    for name, method in methods.items():
        setattr(ssl.SSLContext, name, method)


_own = {name: getattr(ssl.SSLContext, name) for name in _LOADING}
_replace(dict.fromkeys(_LOADING, lambda *_: None))
try:
    import aiohttp
    from aiohttp import web
finally:
    _replace(_own)

__all__ = ["aiohttp", "web"]
