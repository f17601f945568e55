"""The REST API: routes, parameters, responses and their OpenAPI document."""
