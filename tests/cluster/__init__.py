"""`make cluster-test`: a replica set, Redis, two servers of two workers and a proxy, each on a machine of its own.

Then what happens to machines: one dies, one is cut off, one stands still, others are restarted, one leads no more.
Nothing that was acknowledged may be lost.
"""
