"""An Alertmanager webhook receiver that keeps one living message per incident in every chat."""
