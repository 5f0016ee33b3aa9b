"""From an incident to the JSON of a chat. Pure."""
