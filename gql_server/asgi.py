"""What uvicorn loads: `uvicorn gql_server.asgi:app`. With `cli.py` the only roof over both packages."""

from gql_server import logs
from gql_server.app import create_app
from gql_server.settings import Settings
from resolvers.view import View

settings = Settings.from_environment()
# First of all: uvicorn's own access log prints addresses, and a webhook's holds its token.
logs.configure(settings.log_level)
app = create_app(settings, graphql=View(settings))
