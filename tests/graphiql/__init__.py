"""GraphiQL, as it is built, in the system's Chromium and from a real server."""
