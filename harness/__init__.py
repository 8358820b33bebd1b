"""Reproducible evidence for ptychographic reconstructions."""

__version__ = "0.1.0"
