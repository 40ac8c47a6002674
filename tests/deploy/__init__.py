"""What a server is deployed by: read by the tools of those whose formats it has, and served through."""
