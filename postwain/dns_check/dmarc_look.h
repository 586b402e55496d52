// What the DNS says of the DMARC policy of a domain of ours (RFC 9989 4.10), and whether those who
// are to get reports about it want them (RFC 9990 4). An evaluation as the others: it says what it
// wants to know, and is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/authentication/dmarc/dmarc_answers.h"
#include "common/authentication/dmarc/dmarc_record.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::tool {

// Whether a place for reports that is not of the domain itself has said that it takes them.
enum class ReportsTaken : std::uint8_t { own, yes, no, unknown };

struct ReportPlace {
  std::string address;
  std::string domain;          // of the address
  std::string consent_name{};  // where a place outside says that it takes them
  ReportsTaken taken = ReportsTaken::unknown;
};

struct DmarcFacts {
  bool failed = false;          // the DNS did not say whether there is a policy
  std::string policy_domain{};  // whose record holds; empty: there is none
  authentication::DmarcRecord record{};
  std::vector<ReportPlace> places{};  // of rua, those by mail
};

class DmarcLook final : public authentication::DnsEvaluation {
 public:
  explicit DmarcLook(std::string domain);

  std::vector<authentication::DnsQuestion> take_questions() override;
  void answer(std::size_t number, const authentication::DnsAnswer& answer) override;
  bool done() const override { return stage_ == Stage::done; }
  // Once done.
  const DmarcFacts& facts() const { return facts_; }

 private:
  enum class Stage : std::uint8_t { policy, places, done };
  // A question for the consent of a place.
  struct Consent {
    std::size_t place = 0;
    bool answered = false;
  };

  void advance();
  void find_policy();
  void take_record(const authentication::DmarcRecord& record);
  bool judge_place(std::size_t place);  // false: it waits
  void ask_consent(std::size_t place);
  void take_consent(std::size_t consent, const authentication::DnsAnswer& answer);

  std::string domain_;
  authentication::DmarcAnswers answers_;
  DmarcFacts facts_;
  std::vector<Consent> consents_;
  std::vector<authentication::DnsQuestion> unasked_consents_;
  // By number: whether it is a consent, and its number among those or among the others.
  std::vector<std::pair<bool, std::size_t>> questions_;
  std::size_t others_ = 0;
  std::size_t consents_asked_ = 0;
  Stage stage_ = Stage::policy;
};

}  // namespace postwain::tool
