// [dns], [users], [control], [sandbox] and [workers]: how the processes run. [log] is log.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

struct Dns {
  std::vector<std::string> servers;  // "127.0.0.1:5353"; empty: /etc/resolv.conf
  bool trust_ad = false;             // their AD bit is believed: they validate (DNSSEC)
};

// Empty: nobody was named. network serves for whom no name of its own is given.
struct Users {
  std::string queue = "postwain";
  std::string network;
  std::string smtpd;
  std::string smtp_client;
  std::string lmtp_client;
  std::string metrics;
  std::string tokens;
  std::string pickup;
  std::string reporter;
  std::string filter;
  std::string signer;
  std::string db_link;
  bool operator==(const Users&) const = default;
};

// Who else may give commands to the running Postwain.
struct Control {
  std::vector<std::string> viewers;  // groups whose members may look, and change nothing
  Origin origin;                     // of the list
};

// What keeps the processes from what they never do. strict: a call that is not foreseen ends the
// process instead of failing.
enum class Sandbox : std::uint8_t { on, strict, off };

struct Workers {  // [workers]: how many of each process
  std::uint32_t smtpd = 1;
  std::uint32_t smtp_client = 1;
  std::uint32_t lmtp_client = 1;
};

}  // namespace postwain::config
