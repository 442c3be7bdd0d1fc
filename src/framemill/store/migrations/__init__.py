"""How the schema came to be, one file a step; `store.versions` walks them.

Whoever changes `store/schema.py` writes the next file in `versions` by hand, with names and types of its own (a step
means the same for ever, whatever the schema becomes), and sets `HEAD` in `store/versions.py`. The tests compare.
There is no way back: an older release refuses the database.
"""
