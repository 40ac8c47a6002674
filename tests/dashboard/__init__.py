"""The dashboard as people use it: a real browser, a real server, a real MongoDB."""
