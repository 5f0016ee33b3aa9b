"""The notifier watches alerting, and itself: heartbeat, signs of life, incidents of its own."""
