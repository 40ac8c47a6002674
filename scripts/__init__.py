"""What `make` calls besides tools of others."""
