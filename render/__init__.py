"""Pure functions from plain settings to the text of files and objects. No pulumi import, no I/O."""
