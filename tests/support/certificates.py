"""Certificates made on the spot, as a site makes its own: an authority, a server, a client."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, how: serialization.KeySerializationEncryption = PLAIN) -> bytes:
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `name`.crt and `name`.key, the key for its owner only."""
        cert, key = folder / f"{name}.crt", folder / f"{name}.key"
        cert.write_bytes(self.pem())
        key.touch(0o600)
        key.write_bytes(self.key_pem())
        return cert, key


def made(
    name: str, signed_by: Pair | None = None, *, begins: datetime | None = None, days: float = 365
) -> Pair:
    """Make a certificate for 127.0.0.1, which may sign others where nobody signs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = signed_by or Pair(None, key)  # type: ignore[arg-type]
    begin = begins or datetime.now(UTC) - DAY
    basic = x509.BasicConstraints(ca=signed_by is None, path_length=None)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.cert.subject if signed_by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(basic, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
        )
        .sign(signer.key, hashes.SHA256())
    )
    return Pair(cert, key)


def trusting(*authorities: Pair, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return what a device connects by: it trusts these, and shows a certificate of its own where it has one."""
    context = ssl.create_default_context(cadata="".join(each.pem().decode() for each in authorities))
    if shown is not None:
        context.load_cert_chain(*shown)
    return context
