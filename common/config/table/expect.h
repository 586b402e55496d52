// [[expect]]: what the configuration is meant to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

// [[expect]]: what the configuration is meant to do; `postwain check` compares (explanation.h).
struct Expect {
  std::string recipient;
  std::string from = "someone@sender.example";  // empty: the null reverse-path
  std::string client;
  std::string client_name;  // as the DNS confirms it; empty: not looked at
  std::string hello = "client.example";
  std::string account;
  bool submission = false;  // at a submission listener
  std::string decision;     // accept, refuse or defer
  std::string route;        // the destination it goes to; empty: any
  // The filters that are asked, in their order; nothing: whichever.
  std::optional<std::vector<std::string>> filters{};
  // "selector._domainkey.domain" of the keys by which it is signed as it leaves, or the domain
  // alone for whichever of its keys, in any order, where its author is its sender; nothing:
  // whichever.
  std::optional<std::vector<std::string>> signed_by{};
  std::vector<Origin> signed_by_at{};  // where each of these stands
  // What the DNS says of the client, as [strangers] would hear it; client_name, too.
  std::vector<std::string> dns_lists;  // labels of those that list it, or what they ask about
  bool forged_name = false;            // its name is not that of its address
  bool pregreet = false;               // it talks before the greeting
  // What follows from that; nothing: whatever.
  std::optional<std::int32_t> score{};
  std::string then;  // accept, greylist or refuse
  Origin origin;
};

}  // namespace postwain::config
