"""Enricher adds pod, namespace and node to every line of an ingress proxy's access log."""

__version__ = "0.1.0"
