"""The project's own program on the real engine, without a host: what previews and states of whole stacks look like."""
