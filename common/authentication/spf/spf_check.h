// Is a client allowed to send mail in the name of a domain? check_host() of SPF (RFC 7208), as a
// state machine (common/authentication/dns_evaluation.h).
//
// Everything that the domain's owner, the client and the DNS say is bounded: ten terms that ask the
// DNS in all includes together, ten MX hosts and ten names of the client, so that no evaluation
// asks more than kSpfQuestionsMax questions, and each of them once. How long it may take is the
// runner's to say: whoever has no more time answers what is open as a temporary failure, until
// done().
//
// Of what RFC 7208 leaves open. Void lookups (4.6.4) are counted by terms, so that an "mx" of many
// hosts without addresses in the client's family counts once, and what macros look up not at all. A
// name that no question can be made of matches nothing (4.8), and is permerror behind "include" and
// "redirect". One MX host that matches decides, even if another could not be looked up. A local
// part that is not ASCII makes names that match nothing (RFC 8616 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dns_evaluation.h"
#include "common/authentication/spf/ip_address.h"
#include "common/authentication/spf/lookups.h"
#include "common/authentication/spf/macro.h"
#include "common/authentication/spf/matcher.h"
#include "common/authentication/spf/record.h"
#include "common/base/time.h"

namespace postwain::authentication {

constexpr unsigned kSpfTermsMax = 10;     // that ask the DNS (RFC 7208 4.6.4)
constexpr unsigned kSpfVoidTermsMax = 2;  // that find nothing (4.6.4)
constexpr std::size_t kSpfTextMax = 200;  // octets of each text of a finding
constexpr std::size_t kSpfSenderMax = 1024;
// The first record; each term with its hosts; the client's names for the macro "p"; an explanation.
constexpr std::size_t kSpfQuestionsMax =
    1 + kSpfTermsMax * (1 + spf::kMailHostsMax) + (1 + spf::kPointersMax) + 1;

// The results of RFC 7208 2.6.
enum class SpfResult : std::uint8_t {
  none,       // no record, or no domain that could have one
  neutral,    // the domain says nothing of this client
  pass,       // it is allowed
  fail,       // it is not
  softfail,   // it probably is not
  temperror,  // the DNS did not answer
  permerror,  // the domain's records are wrong
};
std::string_view name_of(SpfResult result);  // "none", as Authentication-Results writes it

// Whether a domain, in its canonical form, can have a record at all: it is a full name of a host,
// and no address literal or single word.
bool may_have_spf_record(std::string_view domain);

enum class SpfIdentity : std::uint8_t { mail_from, helo };

struct SpfFacts {
  std::string client;     // its address as text
  std::string helo;       // what it called itself, as it wrote that
  std::string mail_from;  // the address without angle brackets; empty: postmaster at the helo name
  std::string receiver;   // our own host name, for explanations
  WallTime now{};         // for explanations
  bool wants_explanation = false;  // of a fail; costs a question more
  unsigned void_terms_max = kSpfVoidTermsMax;
};

// The texts are printable and of kSpfTextMax octets at most; strangers have written parts of them.
struct SpfFinding {
  SpfResult result = SpfResult::none;
  SpfIdentity identity = SpfIdentity::mail_from;
  std::string domain{};  // that was tested, in lower case and as A-labels; not always a valid name
  // Which mechanism decided: "-all", "include:a.example > ip4:192.0.2.0/24"; "default" where none
  // did and the result is neutral; empty for results without a decision.
  std::string mechanism{};
  std::string reason{};       // of none, temperror and permerror: why, in words
  std::string explanation{};  // of fail, where wanted and given: the domain owner's text, ASCII
};

class SpfCheck final : public DnsEvaluation {
 public:
  explicit SpfCheck(const SpfFacts& facts);

  std::vector<DnsQuestion> take_questions() override;
  void answer(std::size_t number, const DnsAnswer& answer) override;
  bool done() const override { return stage_ == Stage::done; }
  // When done().
  const SpfFinding& finding() const { return finding_; }

 private:
  enum class Stage : std::uint8_t { loading, evaluating, explaining, done };
  enum class Load : std::uint8_t { first, include, redirect };

  // A record that is being evaluated; the one above it in the stack is what it includes.
  struct Frame {
    std::string domain;
    spf::Record record;
    std::size_t position = 0;             // of the term that is its turn
    bool counted = false;                 // that term has been counted
    std::optional<std::string> target{};  // that term's, expanded
  };

  void read_identity(const SpfFacts& facts);
  void advance();
  bool step();  // false: it waits, or is done
  bool load();
  bool no_record();
  bool evaluate();
  bool match(const spf::Directive& directive, std::size_t after);
  bool end_of_record();
  bool end_frame(SpfResult result);
  bool explain();

  void next_term(std::size_t after);
  bool count_term();
  bool count_void();
  // The name that the domain-spec stands for in the topmost frame; nothing: waiting.
  std::optional<std::string> expand(const std::string& spec);
  bool expand_target(std::string_view spec);
  bool begin_load(Load load, std::string domain);
  bool finish(SpfResult result, std::string_view reason = {});

  SpfFinding finding_;
  std::string decided_by_;  // becomes the finding's mechanism
  Stage stage_ = Stage::loading;
  spf::IpAddress client_;
  spf::MacroValues values_;
  spf::Lookups lookups_;
  std::vector<Frame> frames_;
  Load load_ = Load::first;
  std::string loading_;  // the domain whose record is looked up
  bool wants_explanation_ = false;
  unsigned void_terms_max_ = kSpfVoidTermsMax;
  unsigned terms_ = 0;
  unsigned void_terms_ = 0;
};

}  // namespace postwain::authentication
