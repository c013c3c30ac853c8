"""Web APIs: REST, GraphQL, social networks and webhooks."""
