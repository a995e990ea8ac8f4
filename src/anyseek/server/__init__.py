"""The server: endpoints in the shapes of OpenAI, Cohere and Jina, one engine behind a queue, and a guarded door."""

from anyseek.server.app import App
from anyseek.server.engine import Engine
from anyseek.server.keys import ROLES, Role, add_key, read_keys, remove_key
from anyseek.server.metrics import Metrics
from anyseek.server.models import Models
from anyseek.server.options import Bounds, ServerOptions
from anyseek.server.run import Server, listening, serve

__all__ = [
    "ROLES",
    "App",
    "Bounds",
    "Engine",
    "Metrics",
    "Models",
    "Role",
    "Server",
    "ServerOptions",
    "add_key",
    "listening",
    "read_keys",
    "remove_key",
    "serve",
]
