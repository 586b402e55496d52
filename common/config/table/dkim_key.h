// [[dkim_key]]: keys with which mail of our domains is signed when it leaves (RFC 6376).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "common/config/table/origin.h"

namespace postwain::config {

// Not the name of the record, "selector._domainkey.domain", nor the beginning of it. selector: in
// its canonical form.
inline bool is_selector(std::string_view selector) {
  constexpr std::string_view kMark = "_domainkey";
  for (std::size_t at = 0; at <= selector.size();) {
    std::size_t end = std::min(selector.find('.', at), selector.size());
    if (selector.substr(at, end - at) == kMark) return false;
    at = end + 1;
  }
  return true;
}

struct DkimKey {
  std::string domain;    // d=, in its canonical form
  std::string selector;  // s=, the same; of one domain, each selector is there once
  std::string key;       // the file, as written
  std::string key_pem;   // its content: in the supervisor, and in the process `signer` alone
  // Whether mail from domains below it is signed, too, where these have no key of their own.
  bool subdomains = true;
  // false: it is published only, because it is the next one, or the one before. A domain is signed
  // with each of its keys for which this is true.
  bool signs = true;
  Origin origin;

  // Where its public part stands in the DNS.
  std::string record_name() const { return selector + "._domainkey." + domain; }
};

}  // namespace postwain::config
