"""One file per Mongo collection: functions, what they read or write with first.

No document leaves this folder: functions take and give domain records and plain values. Every function
over data of customers takes the workspace, or a campaign that was looked up with it.
"""
