"""A small HTTPS server for policies, and for reports that are posted."""

import http.server
import ssl
import threading


class WebServer:
    """answers: {host: (status, content type, body)}; asked: hosts in order; posted: {host: [(path,
    content type, body)]}. Loopback, own port."""

    def __init__(self, certificate, key, address="127.0.0.1"):
        self.answers = {}
        self.asked = []
        self.posted = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].partition(":")[0]
                owner.asked.append(host)
                status, kind, body = owner.answers.get(host, (404, "text/plain", b"nothing"))
                self.answer(404 if self.path != "/.well-known/mta-sts.txt" else status, kind, body)

            def do_POST(self):
                host = self.headers["Host"].partition(":")[0]
                content = self.rfile.read(int(self.headers["Content-Length"]))
                posts = owner.posted.setdefault(host, [])
                posts.append((self.path, self.headers["Content-Type"], content))
                self.answer(*owner.answers.get(host, (404, "text/plain", b"nothing")))

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status // 100 == 3:
                    self.send_header("Location", body.decode())
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
