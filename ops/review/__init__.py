"""What a preview means to whoever reviews it: per host what is written, what restarts, and in which order.

Pure functions from the engine's JSON to Markdown; nothing here runs anything. Secrets are not in that JSON, and a
summary says only that they change.
"""

from ops.review.preview import Preview, PreviewError, read
from ops.review.summary import summary

__all__ = ["Preview", "PreviewError", "read", "summary"]
