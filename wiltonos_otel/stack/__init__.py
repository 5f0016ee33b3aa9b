"""The stack around the services: rules, dashboards, configuration files, builds, bootstrap."""
