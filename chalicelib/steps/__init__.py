"""Steps of the state machines, which the handlers of app.py delegate to."""
