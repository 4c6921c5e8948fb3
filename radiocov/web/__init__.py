"""The service: field teams bring logs, managers look at the map, engineers run it. `app.build_app` makes it."""
