#include "common/tls/peer_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postwain::tls {

namespace {

// A text with a NUL inside would be read as another by who stops there.
std::string text_of(const ASN1_STRING* value) {
  if (value == nullptr) return {};
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                   static_cast<std::size_t>(ASN1_STRING_length(value)));
  return text.find('\0') == std::string::npos ? text : std::string();
}

std::vector<std::string> alternative_names(X509* certificate, int type) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    std::string text = text_of(name->d.ia5);  // dNSName and rfc822Name are both IA5String
    if (!text.empty()) out.push_back(std::move(text));
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string common_name_of(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

// The verdict is kept in the session (SSL_get_verify_result); it does not end the handshake.
int let_pass(int, X509_STORE_CTX*) {
  return 1;
}

}  // namespace

std::vector<std::string> names_of(X509* certificate) {
  return alternative_names(certificate, GEN_DNS);
}

Status ask_client_certificate(SSL_CTX* ctx, std::string_view ca) {
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, let_pass);
  SSL_CTX_set_verify_depth(ctx, 10);
  if (ca.empty()) return {};
  BioPtr bytes = memory_bio(ca);
  bool any = false;
  while (X509* one = PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr)) {
    X509Ptr anchor(one);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), one) != 1 ||
        SSL_CTX_add_client_CA(ctx, one) != 1)
      return openssl_error("client_ca");
    any = true;
  }
  if (!any) return openssl_error("client_ca");
  ERR_clear_error();
  return {};
}

PeerCertificate Session::peer_certificate() const {
  PeerCertificate out;
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return out;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return out;
  out.fingerprint = fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
  out.verified = SSL_get_verify_result(ssl_) == X509_V_OK;
  out.emails = alternative_names(certificate, GEN_EMAIL);
  out.common_name = common_name_of(certificate);
  return out;
}

Result<CertificateFacts> certificate_facts(std::string_view pem, const std::string& host) {
  BioPtr bytes = memory_bio(pem);
  X509Ptr leaf(PEM_read_bio_X509_AUX(bytes.get(), nullptr, nullptr, nullptr));
  if (leaf == nullptr) return openssl_error("certificate");
  CertificateFacts facts;
  facts.names = names_of(leaf.get());
  facts.covers_host = X509_check_host(leaf.get(), host.data(), host.size(),
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf.get()), &end) != 1)
    return openssl_error("end of validity");
  facts.not_after = std::chrono::time_point_cast<Duration>(
      std::chrono::system_clock::from_time_t(::timegm(&end)));
  return facts;
}

}  // namespace postwain::tls
