// [addresses]: what an address stands for.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

constexpr std::size_t kBlindCopiesMax = 10;  // addresses in a line of sender_bcc, recipient_bcc

// What an address stands for: [addresses], postwain.toml(5).
struct AddressTarget {
  // "user@domain"; "@domain": the same local part there; "user" (aliases): the alias' own domain.
  std::string address;
  bool final = false;    // not looked up again
  bool discard = false;  // "/dev/null": thrown away; address is empty
};
struct AddressEntry {
  std::vector<AddressTarget> targets;  // none: a list without members
  Origin origin;
  std::string fault{};  // not empty: what stands there cannot be obeyed, and why; the rest is void
};
using AddressMap = std::unordered_map<std::string, AddressEntry>;  // keys in lower case

struct Addresses {
  std::string separator;                   // between user and tag; empty: tags mean nothing
  AddressMap sender_canonical;             // "user@domain", "@domain"; one target each
  AddressMap recipient_canonical;          // the same
  AddressMap virtual_addresses;            // the same, any number of targets
  AddressMap aliases;                      // local parts, of the alias domains
  AddressMap sender_bcc;                   // "user@domain", "@domain", "*", "<>": who gets a copy
  AddressMap recipient_bcc;                // the same without "<>"
  std::vector<std::string> alias_domains;  // lower case
  std::string origin;                      // completes what local programs name without a domain
};

}  // namespace postwain::config
