"""Enricher: which pod failed my request?"""

__version__ = "0.1.0"
