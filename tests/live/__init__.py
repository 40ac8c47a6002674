"""Tests of what people watch: live.py, watched.py, history.py, catching_up.py."""
