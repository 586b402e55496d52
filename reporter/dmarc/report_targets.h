// Who gets the reports about a domain: what its DMARC record of now says (rua), and, for each
// address with a host of another organization, whether that host wants them (RFC 9990 4). Without
// its word it gets nothing, so that nobody can have others flooded. A state machine
// (common/authentication/dns_evaluation.h) over hostile records.
//
// Reports go by mail only. Whether two hosts are of one organization is found by the walk up the
// tree of names, as everything in RFC 9989 is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dmarc/dmarc_answers.h"
#include "common/authentication/dns_evaluation.h"
#include "reporter/sending/report_kind.h"

namespace postwain::reporter {

constexpr std::size_t kTargetsMax = 10;  // of one domain; further ones are passed over
// The walks of the domain and of each host, and the host's word.
constexpr std::size_t kTargetQuestionsMax =
    authentication::kWalkNamesMax * (1 + kTargetsMax) + kTargetsMax;

class ReportTargets final : public authentication::DnsEvaluation {
 public:
  // domain: whose policy it is, in its canonical form.
  explicit ReportTargets(std::string domain);

  std::vector<authentication::DnsQuestion> take_questions() override;
  void answer(std::size_t number, const authentication::DnsAnswer& answer) override;
  bool done() const override { return done_; }
  // Once done. `known` is false where the DNS has failed; the places are those that are sure.
  const ReportPlaces& result() const { return result_; }

 private:
  // A host that addresses are at.
  struct Host {
    enum class State : std::uint8_t { walking, asked, agrees, refuses, unknown };
    State state = State::walking;
    std::vector<ReportPlace> instead;  // where it wants them; empty: where the domain said
  };
  struct Target {
    std::string host;
    ReportPlace place;
  };
  // Of a question: of answers_, or whether that host agrees.
  struct Asked {
    std::size_t number = 0;
    std::string host;  // empty: of answers_
  };

  void advance();
  bool find_targets();
  void look_at(const std::string& name, Host& host);
  void ask_host(const std::string& name, Host& host);
  void hear_host(const std::string& name, Host& host, const authentication::DnsAnswer& answer);
  void finish();
  void add(const ReportPlace& place);

  std::string domain_;
  authentication::DmarcAnswers answers_;
  std::size_t inner_asked_ = 0;
  std::vector<Asked> asked_;  // by number
  std::vector<std::string> hosts_to_ask_;
  std::vector<Target> targets_;
  std::map<std::string, Host> hosts_;
  bool record_found_ = false;
  bool done_ = false;
  ReportPlaces result_;
};

}  // namespace postwain::reporter
