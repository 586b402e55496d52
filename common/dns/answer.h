// Answers of the DNS as values, and reading them from a message (RFC 1035 4.1). Pure: the bytes may
// be anything, what is malformed counts as a temporary failure and never as "does not exist".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/tlsa.h"

namespace postwain::dns {

constexpr std::size_t kMxRecordsMax = 50;  // further ones are not looked at
constexpr std::size_t kTlsaRecordsMax = 50;
constexpr std::size_t kTextRecordsMax = 50;
constexpr std::size_t kNamesMax = 20;       // of one address
constexpr std::size_t kAddressesMax = 100;  // of one name, both families
constexpr std::size_t kCnameChainMax = 10;

enum class AnswerStatus : std::uint8_t {
  ok,
  no_such_name,  // NXDOMAIN: the name does not exist, for no type
  no_data,       // the name exists, this type does not
  temporary,     // no answer, SERVFAIL, nonsense
};
std::string_view name_of(AnswerStatus status);

struct MxRecord {
  std::uint16_t preference = 0;
  std::string host;  // lower case without final dot; empty for "." (RFC 7505)
  bool operator==(const MxRecord&) const = default;
};
struct MxAnswer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<MxRecord> records;
  bool authentic = false;  // proven by DNSSEC, says a resolver we trust
  std::string trouble{};   // of a temporary failure: whom we asked, and what became of it
};

struct AddressAnswer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<std::string> addresses;  // as text, IPv6 before IPv4
  bool authentic = false;              // every address is
  std::string canonical{};             // what the name is an alias of; empty: it is none
  std::string trouble{};               // as of MxAnswer
};

struct TlsaAnswer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<mail::Tlsa> records;
  bool authentic = false;
};

struct TextAnswer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<std::string> texts;  // strings of a record joined
};

struct NameAnswer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<std::string> names;  // lower case
};

enum class RecordType : std::uint16_t { a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

// One DNS message, read for one question.
struct Answer {
  AnswerStatus status = AnswerStatus::temporary;
  std::vector<MxRecord> mx;
  std::vector<std::string> addresses;
  std::vector<mail::Tlsa> tlsa;
  std::vector<std::string> texts;
  std::vector<std::string> names;
  std::string canonical{};  // where the CNAMEs led; empty: there were none
  bool authentic =
      false;  // the AD bit (RFC 4035 3.2.3); worth something only from a trusted resolver
  // The CNAME chain led here without records of the type: ask again for this name. Empty otherwise.
  std::string chase;
  std::size_t cnames = 0;
  std::string trouble{};  // as of MxAnswer; the resolver's to say
  bool left_out = false;  // records with names that are no host names were
  std::uint32_t ttl =
      0;  // smallest of what was used; for a negative answer from the SOA (RFC 2308)
};

Answer read_answer(std::string_view message, std::string_view name, RecordType type);

// Where the names of an address are: "1.2.0.192.in-addr.arpa"; empty for no address.
std::string reverse_name(const std::string& address);

// Letters, digits, '-', '_' and dots, at most 253 bytes: what we are willing to look up and show.
bool is_host_name(std::string_view name);
// What may be asked for: a DNS name is no host name (RFC 2181 11), and the macros of an SPF record
// make names with whatever stands in a local part. Labels of printable ASCII without blanks and
// without what the text form of a name escapes.
bool is_question_name(std::string_view name);

}  // namespace postwain::dns
