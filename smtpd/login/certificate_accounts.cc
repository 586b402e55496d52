#include "smtpd/login/certificate_accounts.h"

#include <algorithm>

namespace postwain::smtpd {

std::vector<std::string> accounts_of(const config::Auth& auth,
                                     const tls::PeerCertificate& certificate) {
  std::vector<std::string> out;
  if (certificate.fingerprint.empty()) return out;
  auto add = [&out](const std::string& account) {
    if (!account.empty() && std::find(out.begin(), out.end(), account) == out.end())
      out.push_back(account);
  };
  for (const config::CertificateAccount& one : auth.certificates)
    if (one.fingerprint.sha256 == certificate.fingerprint) add(one.account);
  if (!certificate.verified) return out;
  if (auth.certificate_name == config::CertificateName::email)
    for (const std::string& email : certificate.emails) add(email);
  if (auth.certificate_name == config::CertificateName::common_name) add(certificate.common_name);
  return out;
}

const config::Fingerprint* trusted_as(const config::Access& access,
                                      const tls::PeerCertificate& certificate) {
  for (const config::Fingerprint& one : access.trusted_certificates)
    if (one.sha256 == certificate.fingerprint) return &one;
  return nullptr;
}

}  // namespace postwain::smtpd
