"""A service behind the proxy that names the pod that answers, and fails on request."""
