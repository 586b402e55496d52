"""Logging in over a raw session: base64 lines, PLAIN, and SCRAM as a client computes it."""

import base64
import hashlib
import hmac


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def unb64(text):
    return base64.b64decode(text)


def plain(user, password):
    return b64(f"\0{user}\0{password}")


def login(client, user, password):
    code, text = client.command("AUTH PLAIN " + plain(user, password))
    if code != 235:
        raise AssertionError(f"login refused: {code} {text}")


def scram(client, user, password, binding=None, kind="tls-unique"):
    """SCRAM-SHA-256, -PLUS with the octets of a channel binding. The last reply's code."""
    mechanism = "SCRAM-SHA-256" + ("-PLUS" if binding is not None else "")
    header = f"p={kind},," if binding is not None else "n,,"
    bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
    code, text = client.command(f"AUTH {mechanism} {b64(header + bare)}")
    if code != 334:
        return code
    server_first = unb64(text).decode()
    fields = dict(field.split("=", 1) for field in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), unb64(fields["s"]),
                                 int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c={b64(header.encode() + (binding or b''))},r={fields['r']}"
    signed = f"{bare},{server_first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    code, text = client.command(b64(f"{final},p={b64(proof)}"))
    if code != 334:
        return code
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    if unb64(text).decode() != "v=" + b64(hmac.digest(server_key, signed, "sha256")):
        raise AssertionError("the server's signature is wrong")
    return client.command("")[0]
