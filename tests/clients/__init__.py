"""Clients of other libraries than ours, as an app would use them; docs/subscribing.md shows these files."""
