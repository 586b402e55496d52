"""A small HTTPS server for policies, and a certificate authority for it and for mail servers."""

import http.server
import os
import ssl
import subprocess
import threading


def openssl(*words, content=None):
    return subprocess.run(["openssl", *words], input=content, check=True, capture_output=True).stdout


class Authority:
    """Makes certificates that the file `trust` vouches for."""

    def __init__(self, folder):
        self.folder = folder
        self.trust, self._key = folder / "authority.pem", folder / "authority.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", "/CN=test authority", "-keyout", self._key, "-out", self.trust,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names):
        """(certificate, key) paths."""
        at = lambda ending: self.folder / f"{names[0]}.{ending}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=leaf", "-keyout", at("key"), "-out", at("csr"))
        extension = self.folder.file(f"{names[0]}.ext", "subjectAltName=" + ",".join(
            f"DNS:{name}" for name in names) + "\n")
        openssl("x509", "-req", "-in", at("csr"), "-CA", self.trust, "-CAkey", self._key,
                "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", at("pem"))
        os.chmod(at("key"), 0o600)
        return at("pem"), at("key")


class WebServer:
    """answers: {host: (status, content type, body)}; asked: hosts in order. Loopback, own port."""

    def __init__(self, certificate, key, address="127.0.0.1"):
        self.answers = {}
        self.asked = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].partition(":")[0]
                owner.asked.append(host)
                status, kind, body = owner.answers.get(host, (404, "text/plain", b"nothing"))
                if self.path != "/.well-known/mta-sts.txt":
                    status = 404
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
