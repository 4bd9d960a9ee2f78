"""Waits to be called."""

# lint: `http.server`
# jail: PermissionError
import http.server

http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler).serve_forever()
