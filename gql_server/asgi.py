"""What uvicorn loads: `uvicorn gql_server.asgi:app`. With `cli.py` the only roof over both packages."""

from gql_server import structured
from gql_server.app import create_app
from gql_server.settings import Settings
from resolvers.view import View

settings = Settings.from_environment()
# First of all: uvicorn's own access log prints addresses, and a webhook's holds its token.
structured.configure(settings.log_level, settings.log_format)
app = create_app(settings, graphql=View(settings))
