"""The server's side of SASL exchanges, for sinks that ask for a login: one account."""

import base64
import hashlib
import hmac
import os

USER, PASSWORD = "relay", "s3cret, with = and ,"


class Accounts:
    """login() of mail_session.Handler; `taken` lists (mechanism, name) of those let in."""

    def __init__(self, tokens=(), liar=False):
        self.tokens = set(tokens)
        self.liar = liar  # lets everybody in, and knows no password
        self.taken = []

    def login(self, mechanism, initial, challenge):
        name = getattr(self, "_" + mechanism.lower().replace("-", "_"))(initial, challenge)
        if name:
            self.taken.append((mechanism, name))
        return bool(name)

    def _check(self, name, password):
        return name if self.liar or (name, password) == (USER, PASSWORD) else None

    def _plain(self, initial, challenge):
        _, name, password = initial.decode().split("\0")
        return self._check(name, password)

    def _login(self, initial, challenge):
        name = (initial or challenge(b"Username:")).decode()
        return self._check(name, challenge(b"Password:").decode())

    def _cram_md5(self, initial, challenge):
        question = b"<1896.697170952@sink.test>"
        name, _, answer = challenge(question).decode().rpartition(" ")
        want = hmac.new(PASSWORD.encode(), question, "md5").hexdigest()
        return name if hmac.compare_digest(answer, want) else None

    def _scram_sha_256(self, initial, challenge):
        header, bare = initial.decode()[:3], initial.decode()[3:]
        fields = dict(part.split("=", 1) for part in bare.split(","))
        salt, count = os.urandom(12), 4096
        nonce = fields["r"] + base64.b64encode(os.urandom(12)).decode()
        first = f"r={nonce},s={base64.b64encode(salt).decode()},i={count}"
        final = challenge(first.encode()).decode()
        without, _, proof = final.rpartition(",p=")
        said = dict(part.split("=", 1) for part in without.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, count)
        mac = lambda key, text: hmac.new(key, text, "sha256").digest()
        client_key = mac(salted, b"Client Key")
        text = f"{bare},{first},{without}".encode()
        signature = mac(hashlib.sha256(client_key).digest(), text)
        shown = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature))
        good = (shown == client_key and said["r"] == nonce and
                base64.b64decode(said["c"]).decode() == header)
        if not good and not self.liar:
            return None
        word = b"\0" * 32 if self.liar else mac(mac(salted, b"Server Key"), text)
        challenge(b"v=" + base64.b64encode(word))
        return fields["n"].replace("=2C", ",").replace("=3D", "=")

    def _bearer(self, initial, challenge):
        fields = initial.decode().split("\1")
        name = next(f for f in fields if f.startswith(("n,a=", "user="))).split("=", 1)[1].strip(",")
        token = next(f for f in fields if f.startswith("auth=Bearer ")).split(" ", 1)[1]
        if token in self.tokens:
            return name
        challenge(b'{"status":"invalid_token"}')
        return None

    _oauthbearer = _xoauth2 = _bearer
