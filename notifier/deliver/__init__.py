"""Sends messages to chats and says what became of them."""
