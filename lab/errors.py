"""What the lab says when it cannot go on."""


class LabError(Exception):
    """Names the step, what was found, and the remedy; printed as it is, without a traceback."""
