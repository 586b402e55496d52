"""Certificates for tests by openssl: authorities, leaves, and the digests TLSA records hold."""

import hashlib
import os
import subprocess


def openssl(*words, content=None, days_ago=0):
    past = ["faketime", "-f", f"-{days_ago}d"] if days_ago else []
    return subprocess.run([*past, "openssl", *words], input=content, check=True, capture_output=True).stdout


def public_key_digest(certificate):
    """What a TLSA record "3 1 1" holds."""
    pem = openssl("x509", "-in", certificate, "-pubkey", "-noout")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", content=pem)).hexdigest()


def certificate_digest(certificate):
    return hashlib.sha256(openssl("x509", "-in", certificate, "-outform", "DER")).hexdigest()


class Authority:
    """Makes certificates that the file `trust` vouches for."""

    def __init__(self, folder):
        self.folder = folder
        self.trust, self._key = folder / "authority.pem", folder / "authority.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", "/CN=test authority", "-keyout", self._key, "-out", self.trust,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names, days_ago=0):
        """(certificate, key) paths; good for two days."""
        at = lambda ending: self.folder / f"{names[0]}.{ending}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=leaf", "-keyout", at("key"), "-out", at("csr"))
        extension = self.folder.file(f"{names[0]}.ext", "subjectAltName=" + ",".join(
            f"DNS:{name}" for name in names) + "\n")
        openssl("x509", "-req", "-in", at("csr"), "-CA", self.trust, "-CAkey", self._key,
                "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", at("pem"), days_ago=days_ago)
        os.chmod(at("key"), 0o600)
        return at("pem"), at("key")


def anchored_certificate(folder, name):
    """(chain, key, CA certificate): made out for name by a CA of its own, which the chain holds."""
    authority = Authority(folder)
    leaf, key = authority.issue(name)
    chain = b"".join(open(file, "rb").read() for file in (leaf, authority.trust))
    return folder.file("chain.pem", chain), key, authority.trust
