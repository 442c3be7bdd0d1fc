"""The farm on Ray: a coordinator, workers and a stitcher. Actors are thin; what they do stands in plain modules."""
