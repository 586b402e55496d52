// [auth]: who may log in, as whom an account may send, and how much.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/rate_table.h"
#include "common/base/time.h"
#include "common/config/table/network.h"
#include "common/sasl/users_file.h"

namespace postwain::config {

// As whom an account may send: any envelope sender, its own address, or what a file grants.
enum class Senders : std::uint8_t { any, own, listed };

struct SenderGrant {
  std::string account;
  std::vector<std::string> patterns;  // lower case: "user@domain", "domain", ".domain", "*"
};

// How much an account may send before its mail waits for an operator, or is refused.
enum class OverRate : std::uint8_t { hold, refuse };
struct SendingLimit {
  Rate messages;
  Rate recipients;
  OverRate over = OverRate::hold;
  Origin origin;
};
struct AccountLimit {  // [[auth.account]]
  std::vector<std::string> names;
  SendingLimit limit;
};

// AUTH EXTERNAL: which name in a client certificate that client_ca vouches for is the account.
enum class CertificateName : std::uint8_t { none, email, common_name };

struct CertificateAccount {  // [[auth.certificate]]: this one certificate, whoever signed it
  Fingerprint fingerprint;
  std::string account;
};

// What follows when the From field of an account's mail names an address as which the account may
// not send (senders).
enum class AuthorCheck : std::uint8_t { off, hold, refuse };

struct Auth {
  std::string users_file;
  std::vector<sasl::User> users;  // of users_file; only smtpd's bundle has it
  std::string dovecot_socket;
  Duration failure_delay = std::chrono::seconds(2);  // before the reply to a failed login
  std::uint32_t lockout_failures = 100;              // per client address, then AUTH gets 454;
  Duration lockout_period = std::chrono::hours(1);   // so many are forgiven again in that time
  Senders senders = Senders::any;
  std::vector<SenderGrant> grants;  // of the senders file; only smtpd's bundle has it
  Origin senders_origin;
  AuthorCheck author = AuthorCheck::off;
  SendingLimit limit;  // of each account that is not in account_limits
  std::vector<AccountLimit> account_limits;
  CertificateName certificate_name = CertificateName::none;
  std::vector<CertificateAccount> certificates;
  bool external() const {
    return certificate_name != CertificateName::none || !certificates.empty();
  }
};

}  // namespace postwain::config
