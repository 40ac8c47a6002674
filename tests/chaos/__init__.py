"""`make chaos`: kill -9 and failing commands under load, and a ledger of what was acknowledged.

`plan` says what happens when, `arena` holds the processes and `faults` breaks them; `sending` makes up receipts, `load`
sends them and keeps the `ledger`; `watch` is an app that looks on, `checks` compares all of it with what is there.
"""
