"""Request and response bodies. They depend on pydantic and the domain alone, so that the client shares them."""
