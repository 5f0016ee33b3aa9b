"""What an aiohttp service of ours needs: who may do what, headers, a graceful end."""
