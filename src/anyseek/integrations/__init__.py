"""anyseek in other people's frameworks: `langchain` and `llama_index`, each loaded only by whoever imports it.

`Spot` is what both share, and of use without them: where a thing lies, as metadata, as an Item, as a picture.
"""

from anyseek.integrations.spots import Spot, data_uri

__all__ = ["Spot", "data_uri"]
