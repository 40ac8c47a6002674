"""schema.graphql in Python: one file per type, no logic.

A query reads, a mutation calls one activity, a subscription calls `live`.
"""
