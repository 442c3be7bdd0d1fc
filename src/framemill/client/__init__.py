"""A client of a farm over HTTP: typed, synchronous, safe to share between threads.

    with Framemill("http://127.0.0.1:8000", key) as farm:
        source = farm.upload("in.mov")
        job = farm.submit({"inputs": [{"upload_id": source.id}], "outputs": [{"preset": "h265"}]})
        job = farm.wait(job.id, lambda now: print(now.state, now.progress.share))
        farm.download(job.outputs[0].id, "out.mp4")

What the farm refuses is raised as the error it is (`WrongUse`, `NotFound`, `Conflict`, `SourceMissing`…), with the
farm's own words; a farm that does not answer is a `FarmError`.
"""

from framemill.client.farm import SHORTEST_PREFIX, Framemill
from framemill.client.streaming import Happened

__all__ = ["SHORTEST_PREFIX", "Framemill", "Happened"]
