// [srs]: under which address somebody else's mail is forwarded (common/rewrite/srs.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

// Whose mail is taken for addresses that were rewritten once: bounces only, or anything.
enum class SrsReturns : std::uint8_t { null_sender, any };

struct SrsRewriting {
  bool wanted = false;  // [srs] is there
  std::string domain;   // in its canonical form
  // The first signs, each of them verifies. Only in the bundles of smtpd and qmgr.
  std::vector<std::string> secrets;
  std::vector<std::string> secret_files;  // as written, for the check
  char separator = '=';
  SrsReturns returns = SrsReturns::null_sender;
  Origin origin;
};

}  // namespace postwain::config
