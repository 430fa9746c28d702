"""Figures, measured on the lab: ``python -m bench`` (``make bench``)."""
