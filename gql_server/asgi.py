"""What uvicorn loads: `uvicorn gql_server.asgi:app`. With `cli.py` the only roof over both packages."""

from gql_server.app import create_app
from gql_server.settings import Settings
from resolvers.view import View

settings = Settings.from_environment()
app = create_app(settings, graphql=View(settings.allowed_origins))
