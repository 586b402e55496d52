// What an evaluation of DMARC asks of the DNS, and has been told: a name is asked once, whoever
// wants to know of it. Of each answer only what the evaluation goes by is kept. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/authentication/dmarc/dmarc_record.h"
#include "common/authentication/dmarc/tree_walk.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::authentication {

// Nothing more is known yet, or will be.
enum class DmarcKnown : std::uint8_t { yes, not_yet, temporary_failure };

struct DmarcLookup {
  DmarcKnown known = DmarcKnown::not_yet;
  const DmarcRecord* record = nullptr;  // null: the name has none, or more than one
};

struct DmarcWalk {
  DmarcKnown known = DmarcKnown::not_yet;
  std::vector<WalkRecord> records;  // of the names up to the one that ended the walk
};

enum class DmarcExistence : std::uint8_t { exists, does_not, not_yet, temporary_failure };

// Of each function: what is not known is asked, and the pointers live as long as the object does.
class DmarcAnswers {
 public:
  DmarcLookup record_of(std::string_view domain);
  // All names of the walk are asked together.
  DmarcWalk walk(std::string_view domain);
  // Whether the domain exists (RFC 9989 3.2.13: no answer was NXDOMAIN). Asked for three types,
  // because some servers deny a name for one type and know it for another.
  DmarcExistence existence_of(std::string_view domain);

  std::vector<DnsQuestion> take_questions();
  void answer(std::size_t number, const DnsAnswer& answer);

 private:
  struct Entry {
    bool answered = false;
    dns::AnswerStatus status = dns::AnswerStatus::temporary;
    std::optional<DmarcRecord> record{};
  };
  const Entry& look(Ask ask, std::string name);

  std::map<std::pair<Ask, std::string>, std::size_t> numbers_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by number
  std::vector<DnsQuestion> unasked_;
};

}  // namespace postwain::authentication
