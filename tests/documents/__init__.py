"""Documents of clients as people write them, and the tools that compile and judge them; see package.json."""
