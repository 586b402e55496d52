// [srs]: under which address somebody else's mail is forwarded (common/rewrite/srs.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

constexpr std::size_t kSrsSecretMin = 16;  // octets; a shorter one can be guessed
constexpr std::size_t kSrsSecretMax = 1024;
constexpr std::size_t kSrsSecretsMax = 8;

// Whose mail is taken for addresses that were rewritten once: bounces only, or anything.
enum class SrsReturns : std::uint8_t { null_sender, any };

struct SrsRewriting {
  bool wanted = false;  // [srs] is there
  std::string domain;   // in its canonical form
  // Whether the domain has other recipients as well, because it is a [[domain]] or one of the
  // alias_domains. Of a domain that is not, rewritten addresses are the only ones, but for …
  bool shared = false;
  std::string postmaster;  // … its postmaster, who is this one
  // The first signs, each of them verifies. Only in the bundles of smtpd and qmgr; none elsewhere.
  std::vector<std::string> secrets;
  char separator = '=';
  SrsReturns returns = SrsReturns::null_sender;
  Origin origin;

  // Whether this process can rewrite and take back.
  bool is_on() const { return wanted && !secrets.empty(); }
};

}  // namespace postwain::config
