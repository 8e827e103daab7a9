"""Who may come in, and what each role may do. `server.auth.guard` is the one place that checks a request."""
