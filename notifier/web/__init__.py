"""The HTTP side: the webhook, the JSON API, the inbox page."""
