"""A service behind the proxy: it says which pod answered, and fails on request."""
