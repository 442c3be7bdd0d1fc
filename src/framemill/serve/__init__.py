"""Service mode: the supervisor and the processes that it starts, watches and ends.

`framemill up` is a small process that never imports Ray. It starts Ray's head in a session of its own, has a
short-lived deployer put the farm's actors and its HTTP application on it, and starts both again when they are lost.
"""
