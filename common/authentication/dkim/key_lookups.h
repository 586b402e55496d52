// The questions for keys of one message: each name is asked for once, whoever needs it (RFC 6376
// 3.6.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/key_record.h"
#include "common/authentication/dkim/result.h"
#include "common/authentication/dns_evaluation.h"

namespace postwain::authentication::dkim {

constexpr std::size_t kKeyRecordsTried = 3;  // of those that stand at one name (RFC 6376 3.6.2.2)

class KeyLookups {
 public:
  // The number of the question, which is also that of DnsEvaluation.
  std::size_t want(const std::string& name);
  std::vector<DnsQuestion> take_questions();
  void answer(std::size_t number, const DnsAnswer& answer);
  bool all_answered() const { return open_ == 0; }

  struct Found {
    std::vector<std::string> records;  // those to be tried
    std::optional<Refusal> refusal{};  // there are none
  };
  const Found& found(std::size_t number) const { return *keys_[number].found; }

 private:
  struct Wanted {
    std::string name;
    std::optional<Found> found{};
  };
  std::vector<Wanted> keys_;
  std::size_t taken_ = 0;
  std::size_t open_ = 0;
};

// What is asked of a key.
struct KeyUse {
  Algorithm algorithm = Algorithm::rsa_sha256;
  bool of_whole_domain = true;  // the identity's domain is the key's own
  std::string_view hash;        // SHA-256 of the signing input
  std::string_view signature;
  std::optional<Refusal> body{};  // a body that does not fit: then nothing is computed
};
struct KeyOutcome {
  std::optional<Refusal> refusal{};  // nothing: the signature is right
  bool testing = false;
  int bits = 0;
};
// Tries the records in their order until one fits; else what the first one gave that failed, or
// the first of all.
KeyOutcome try_keys(const KeyLookups::Found& found, const KeyUse& use);

}  // namespace postwain::authentication::dkim
