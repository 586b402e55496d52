// The kinds of process that the supervisor starts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace postwain::tool {

enum class Kind : std::uint8_t {
  qmgr,
  smtpd,
  smtp_client,
  lmtp_client,
  metrics,
  pickup,
  tokens,
  reporter,
  filter,
  signer,
  db_link
};

constexpr std::size_t kKinds = 11;
constexpr std::array<std::string_view, kKinds> kKindNames{
    "qmgr",   "smtpd",    "smtp-client", "lmtp-client", "metrics", "pickup",
    "tokens", "reporter", "filter",      "signer",      "db-link"};

// Also the name of the program.
constexpr std::string_view name_of(Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

}  // namespace postwain::tool
