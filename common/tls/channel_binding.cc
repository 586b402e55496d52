// Channel bindings of an open session: RFC 9266 (tls-exporter), RFC 5929 (tls-unique,
// tls-server-end-point).
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/tls/openssl.h"
#include "common/tls/tls.h"

namespace postwain::tls {

namespace {

std::string exporter(ssl_st* ssl) {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string out(32, '\0');
  int made = SSL_export_keying_material(ssl, writable_octets(out), out.size(), kLabel.data(),
                                        kLabel.size(), nullptr, 0, 1);
  return made == 1 ? out : std::string();
}

// The first Finished message: the client's, but the server's in a resumed session.
std::string unique(ssl_st* ssl) {
  if (SSL_version(ssl) != TLS1_2_VERSION) return {};
  // Without extended master secrets a triple handshake can forge it (RFC 7627).
  if (SSL_get_extms_support(ssl) != 1) return {};
  std::string out(EVP_MAX_MD_SIZE, '\0');
  bool ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
  std::size_t size = ours ? SSL_get_finished(ssl, out.data(), out.size())
                          : SSL_get_peer_finished(ssl, out.data(), out.size());
  out.resize(size);
  return out;
}

// The server's certificate under the hash of its own signature, SHA-256 instead of MD5 and SHA-1.
std::string end_point(ssl_st* ssl) {
  X509* certificate =
      SSL_is_server(ssl) == 1 ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  int hash = NID_undef;
  if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, nullptr) != 1) return {};
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  const EVP_MD* method = EVP_get_digestbynid(hash);
  if (method == nullptr) return {};
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (X509_digest(certificate, method, writable_octets(out), &size) != 1) return {};
  out.resize(size);
  return out;
}

}  // namespace

std::string Session::channel_binding(ChannelBinding kind) const {
  if (state_ != State::open) return {};
  switch (kind) {
    case ChannelBinding::exporter:
      return exporter(ssl_);
    case ChannelBinding::unique:
      return unique(ssl_);
    case ChannelBinding::end_point:
      return end_point(ssl_);
  }
  return {};
}

}  // namespace postwain::tls
