// DMARC of one message (RFC 9989): whether the domain of its author has said how its mail can be
// known, whether this mail can be known so, and what the domain wishes otherwise. The author domain
// comes from author_domain.h, SPF and DKIM from their own evaluations.
//
// Organizational domains are found by the walk up the tree of names, never by a list of public
// suffixes. The record of the author domain is asked first; its ancestors, and the walks of the
// domains that SPF and DKIM have shown, only when the outcome can depend on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dmarc/dmarc_answers.h"
#include "common/authentication/dmarc/dmarc_record.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::authentication {

constexpr std::size_t kDmarcSignaturesMax = 8;  // domains of DKIM; further ones are not looked at
// Of one evaluation: a walk for the author, for SPF and for each signature, and the author's
// existence.
constexpr std::size_t kDmarcQuestionsMax = kWalkNamesMax * (2 + kDmarcSignaturesMax) + 3;

enum class DmarcIdentityState : std::uint8_t {
  pass,
  temporary,  // a later try may pass
  fail,       // everything else: fail, none, neutral, permanent errors
};

struct DmarcIdentity {
  DmarcIdentityState state = DmarcIdentityState::fail;
  std::string domain;
};

struct DmarcInput {
  std::string author;  // Author::domain
  // The MAIL FROM identity of SPF, with the domain that was tested: that of the hello where the
  // reverse-path is null (RFC 7208 2.4). The HELO identity of a message with a sender does not
  // count.
  DmarcIdentity spf;
  std::vector<DmarcIdentity> signatures;  // d= of each
  // Whether the identities are judged also where the domain has no policy: of interest to who wants
  // to know whose mail it is, whatever its domain says of it. Where there is no record at all, each
  // domain is its own organization, so only equal ones are aligned.
  bool always_align = false;
};

enum class DmarcVerdict : std::uint8_t { none, pass, fail, temperror, permerror };
std::string_view name_of(DmarcVerdict verdict);  // as RFC 8601 writes it

// Why the verdict is what it is, where it does not say that itself.
enum class DmarcReason : std::uint8_t {
  none,
  no_record,  // none: the domain says nothing
  no_policy,  // none: its record has no valid policy, and nobody wants reports
  no_domain,  // permerror: the author domain is no name of the DNS
  dns,        // temperror: of the DNS
  identity,   // temperror: of SPF or DKIM, with a domain that would have counted
};
std::string_view text_of(DmarcReason reason);

// The tag that the policy was taken from.
enum class DmarcPolicyTag : std::uint8_t { p, sp, np };

struct DmarcResult {
  DmarcVerdict verdict = DmarcVerdict::none;
  DmarcReason reason = DmarcReason::none;
  std::string author;         // in its canonical form
  std::string policy_domain;  // whose record it is; empty: there is none
  DmarcRecord record;         // as with_policy() gave it; the policy_published of RFC 9990
  DmarcPolicyTag tag = DmarcPolicyTag::p;
  DmarcPolicy published = DmarcPolicy::none;  // what that tag says
  DmarcPolicy policy = DmarcPolicy::none;     // what applies: one step milder with t=y
  bool spf_aligned = false;                   // SPF passed, and with a domain of the author's
  bool dkim_aligned = false;                  // a signature did
  std::string dkim_domain;                    // that of the first such signature
  // Without a policy: nothing has passed, and a later try may find that something does. With one,
  // that is a verdict of its own (temperror).
  bool undecided = false;
};

class DmarcEvaluation final : public DnsEvaluation {
 public:
  explicit DmarcEvaluation(DmarcInput input);

  std::vector<DnsQuestion> take_questions() override;
  void answer(std::size_t number, const DnsAnswer& answer) override;
  bool done() const override { return done_; }
  // Once done.
  const DmarcResult& result() const;

 private:
  // Of a domain that SPF or DKIM has shown, or would have.
  enum class Aligned : std::uint8_t { yes, no, not_yet, temporary_failure };

  void advance();
  bool find_policy();
  bool take_policy(std::string_view domain, const DmarcRecord* record);
  void settle_without_policy(bool passed);
  bool judge_identities();
  Aligned alignment_of(const std::string& domain, DmarcAlignment mode);
  Aligned relaxed_alignment_of(const std::string& domain);
  void settle();
  void finish(DmarcVerdict verdict, DmarcReason reason);

  DmarcInput input_;
  DmarcAnswers answers_;
  DmarcResult result_;
  bool identity_failed_ = false;  // temporarily, and it would have counted
  bool lookup_failed_ = false;    // temporarily, and an alignment depends on it
  bool done_ = false;
};

}  // namespace postwain::authentication
