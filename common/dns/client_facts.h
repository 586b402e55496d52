// What the DNS says of a client of ours: values. client_lookups.h finds them out,
// smtpd/acceptance/dns_checks.h judges.
#pragma once

#include <cstdint>
#include <string>

namespace postwain::dns {

// unasked: nobody asked, or it did not need to be asked. trouble: no answer in time, or nonsense.
enum class LookupState : std::uint8_t { unasked, good, bad, null_mx, trouble };

struct ClientFacts {
  LookupState client = LookupState::unasked;  // good: name is a name of the address, both ways
  std::string name;                           // lower case
  LookupState hello = LookupState::unasked;   // whether the name exists
  LookupState sender = LookupState::unasked;  // whether mail could be sent to the domain
  // What the address is said to be called first, whether or not the name leads back to it.
  std::string reverse_name{};
};

}  // namespace postwain::dns
