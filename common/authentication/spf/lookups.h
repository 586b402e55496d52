// What one evaluation of SPF asks of the DNS, and what it has been told. An evaluation looks up
// what it needs as if everything were known; what is not known yet is asked, once, and the
// evaluation waits. Of an answer no more is kept than SPF may use, however much comes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dns_evaluation.h"
#include "common/authentication/spf/ip_address.h"

namespace postwain::authentication::spf {

constexpr std::size_t kMailHostsMax = 10;       // of one "mx" (RFC 7208 4.6.4)
constexpr std::size_t kPointersMax = 10;        // of the client's address (4.6.4)
constexpr std::size_t kTextsMax = 50;           // further ones at one name are not looked at
constexpr std::size_t kAddressesSeenMax = 100;  // of one name

// A name that can be asked for: two labels or more, each of 1 to 63 octets, 253 in all, printable
// ASCII. Others have no records, and are never asked. A backslash is among what is not asked: in
// the text form of a name it would change the meaning of what follows it.
bool is_lookup_name(std::string_view name);

// An answer, cut down.
struct Known {
  dns::AnswerStatus status = dns::AnswerStatus::temporary;
  // Texts that are SPF records: two at most, since two are wrong already.
  std::vector<std::string> records{};
  std::size_t texts = 0;               // how many there are
  std::string only_text{};             // if it is one
  std::vector<IpAddress> addresses{};  // of the family that was asked for; others are left out
  // Hosts of MX records, or names of an address: those that can be looked up among the first
  // kMailHostsMax or kPointersMax of them; in lower case, without final dot, each once.
  std::vector<std::string> names{};
  std::size_t named = 0;  // how many records there are

  bool is_temporary() const { return status == dns::AnswerStatus::temporary; }
  // Nothing of the kind exists: a "void lookup" (4.6.4).
  bool is_void() const {
    return status == dns::AnswerStatus::no_such_name || status == dns::AnswerStatus::no_data;
  }
};

class Lookups {
 public:
  // What is known of it; nullptr: not yet, and now it is asked. name: is_lookup_name(), or the text
  // of an address. The pointer is valid until the next call of find().
  const Known* find(Ask ask, std::string_view name);

  std::vector<DnsQuestion> take_questions();
  // False: it was no answer to an open question.
  bool answer(std::size_t number, const DnsAnswer& answer);

 private:
  struct Entry {
    DnsQuestion question;
    bool answered = false;
    Known known{};
  };
  std::vector<Entry> entries_;  // by number
  std::size_t given_ = 0;       // how many have been handed out
};

}  // namespace postwain::authentication::spf
