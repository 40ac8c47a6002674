"""`python -m gql_server`."""

from gql_server.cli import main

main()
