// Verifying the ARC chain of a message (RFC 8617 5.2): its structure, the message signature of the
// last set, and the seals of all sets. It says that the chain is whole, and by whom; whether those
// are to be believed is for others to say. Used as dkim::DkimVerify is. No I/O, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/arc/arc_sets.h"
#include "common/authentication/dkim/body_hashes.h"
#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/key_lookups.h"
#include "common/authentication/dkim/result.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::authentication::arc {

enum class ArcVerdict : std::uint8_t { none, pass, fail };
std::string_view name_of(ArcVerdict verdict);

struct ArcResult {
  ArcVerdict verdict = ArcVerdict::none;
  std::string reason{};                // our words, ASCII; empty unless it failed
  std::size_t sets = 0;                // how many there are
  std::size_t failed_at = 0;           // the instance whose signature failed; 0: none did
  bool temporary = false;              // it failed because a key could not be looked up now
  std::string results{};               // of a whole chain, what the last sealer says he has found
  std::vector<std::string> sealers{};  // d= of the seals, first to last, as domains are compared
};

class ArcVerify final : public DnsEvaluation {
 public:
  // header: the whole section as it was received, fields in order, with CRLF and without the empty
  // line; it is not needed afterwards.
  explicit ArcVerify(std::string_view header);

  // The body behind the empty line, cut anywhere; then its end, once.
  void body(std::string_view piece) { bodies_.take(piece); }
  void end_body();

  std::vector<DnsQuestion> take_questions() override { return keys_.take_questions(); }
  void answer(std::size_t number, const DnsAnswer& answer) override;
  bool done() const override { return done_; }

  const ArcResult& result() const { return result_; }  // once done()

 private:
  struct Check {
    std::size_t instance = 0;
    dkim::SignatureField field{};
    std::string hash{};
    std::size_t key = 0;
    bool with_body = false;  // it is the message signature
  };

  void prepare(const dkim::HeaderList& header, const ArcSets& sets);
  void prepare_message(const dkim::HeaderList& header, const ArcSet& set);
  void prepare_seal(std::size_t instance, std::string_view value, std::string hash);
  void finish_if_ready();
  bool passes(const Check& check);
  std::optional<dkim::Refusal> body_refusal(const dkim::SignatureField& field) const;
  void fail(std::size_t instance, std::string_view what, const dkim::Refusal& refusal);

  ArcResult result_;
  std::vector<Check> checks_;  // the message signature, then seals as they come in the chain
  dkim::BodyHashes bodies_;
  std::size_t body_ = 0;
  dkim::KeyLookups keys_;
  bool done_ = false;
};

}  // namespace postwain::authentication::arc
