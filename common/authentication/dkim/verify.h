// Verifying the DKIM signatures of a message (RFC 6376 6, RFC 8301, RFC 8463, RFC 8616). The header
// section is given first, then the body as it comes; the keys are asked of the DNS meanwhile, and
// their answers may come before or after the body's end. No I/O, no clock.
//
//     DkimVerify verify(header, "example.org", now);
//     questions: verify.take_questions() … verify.answer(number, answer)
//     verify.body(piece) …; verify.end_body();
//     when verify.done(): verify.results()
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/body_hashes.h"
#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/key_lookups.h"
#include "common/authentication/dkim/result.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dns_evaluation.h"
#include "common/base/time.h"

namespace postwain::authentication::dkim {

constexpr std::size_t kSignaturesVerified = 5;
constexpr std::size_t kSignaturesRead = 20;  // of those beyond, only the number is told
constexpr std::chrono::hours kFutureTolerated{1};

struct VerifyRules {
  // Takes a signature of only the first octets of the body (l=) as if it were of all of it. Else
  // it is `policy`: whoever has the message can write on.
  bool part_of_body = false;
};

class DkimVerify final : public DnsEvaluation {
 public:
  // header: the whole section as it was received, fields in order, with CRLF and without the empty
  // line; it is not needed afterwards. from_domain: that of the From field, empty where there is
  // none: signatures of it, or of a domain above or below, are looked at first.
  DkimVerify(std::string_view header, std::string_view from_domain, WallTime now,
             VerifyRules rules = {});

  // The body behind the empty line, cut anywhere; then its end, once.
  void body(std::string_view piece) { bodies_.take(piece); }
  void end_body();

  std::vector<DnsQuestion> take_questions() override { return keys_.take_questions(); }
  void answer(std::size_t number, const DnsAnswer& answer) override;
  bool done() const override { return done_; }

  // Of each signature that was read, in the order of the fields; once done(). Without signatures it
  // is empty.
  const std::vector<SignatureResult>& results() const { return results_; }
  // Signatures beyond kSignaturesRead, which have no result.
  std::size_t not_read() const { return not_read_; }

 private:
  struct Candidate {
    std::size_t result = 0;  // its place among the results
    std::size_t place = 0;   // of its field
    SignatureField field{};
  };
  struct Checked {
    std::size_t result = 0;
    SignatureField field{};
    std::string hash{};  // of the signing input
    std::size_t body = 0;
    std::size_t key = 0;
  };

  void choose(const HeaderList& header, std::vector<Candidate> candidates);
  void prepare(const HeaderList& header, const Candidate& candidate);
  void finish_if_ready();
  void judge(const Checked& checked);
  std::optional<Refusal> body_refusal(const Checked& checked) const;
  void refuse(std::size_t result, const Refusal& refusal);

  VerifyRules rules_;
  std::vector<SignatureResult> results_;
  std::size_t not_read_ = 0;
  std::vector<Checked> checked_;
  BodyHashes bodies_;
  KeyLookups keys_;
  bool done_ = false;
};

}  // namespace postwain::authentication::dkim
