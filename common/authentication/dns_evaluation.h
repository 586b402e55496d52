// What the evaluators of mail authentication (SPF, DKIM, DMARC, ARC) have in common: each is a
// state machine that says what it wants to know of the DNS and is told the answers. It has no I/O
// and no clock. Whoever runs one asks all questions that it gives, at once and in any order, ends
// those that take too long as temporary failures, and takes the result when done().
//
// What comes of the DNS is the work of strangers: evaluators bound it before they use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/dns/answer.h"

namespace postwain::authentication {

// What of a name: its TXT, A, AAAA or MX records; `names`: the PTR records of an address.
enum class Ask : std::uint8_t { text, ipv4, ipv6, mx, names };

struct DnsQuestion {
  Ask ask = Ask::text;
  std::string name;  // without final dot, A-labels; of `names` an address as text
  bool operator==(const DnsQuestion&) const = default;
};

struct DnsAnswer {
  dns::AnswerStatus status = dns::AnswerStatus::temporary;
  std::vector<std::string> values{};   // texts (strings of a record joined), addresses, or names
  std::vector<dns::MxRecord> hosts{};  // of mx, in any order
};

class DnsEvaluation {
 public:
  virtual ~DnsEvaluation() = default;

  // What is to be asked now; each question is given once. All questions of an evaluation are
  // numbered from 0, in the order in which they were given.
  virtual std::vector<DnsQuestion> take_questions() = 0;
  // Of the question with that number, once. A number that was not given, or that has been answered,
  // changes nothing.
  virtual void answer(std::size_t number, const DnsAnswer& answer) = 0;
  // The result is there; nothing is asked any more, and answers change nothing.
  virtual bool done() const = 0;
};

}  // namespace postwain::authentication
