"""The lab's ``docker`` plugin: images and containers of an engine behind SSH, as pulumi-docker 5.1.0 has them.

Read from the sources of terraform-provider-docker 4.5.0, which the official plugin wraps. Differs from it in this: a
container that does not start is removed again and is an error, where the official plugin keeps it in state with an init
error; what an engine adds to a container by itself is not put into state.
"""
