// Whole messages with ARC sets. The input: an octet that says how the body is cut, the record of
// every key up to a NUL, then the message. Verifying ends and asks little, it makes no difference
// how the body is cut, and a chain that is whole stays so when we seal it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/authentication/arc/arc_seal.h"
#include "common/authentication/arc/arc_verify.h"
#include "common/authentication/dkim/published_key.h"
#include "common/base/check.h"
#include "tests/fuzz/fuzz_signed_message.h"

using namespace postwain;
using namespace postwain::fuzz;
using namespace postwain::authentication;
using namespace postwain::authentication::arc;

namespace {

template <class Engine>
void feed(Engine& engine, std::string_view body, std::size_t piece) {
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    engine.body(body.substr(0, piece));
}

ArcResult verified(const Parts& parts, std::string_view record, std::size_t piece) {
  ArcVerify verify(parts.header);
  auto questions = verify.take_questions();
  PW_CHECK(questions.size() <= kSetsMax + 1);
  feed(verify, parts.body, piece);
  for (std::size_t i = 0; i < questions.size(); ++i)
    verify.answer(i, {dns::AnswerStatus::ok, {std::string(record)}});
  verify.end_body();
  PW_CHECK(verify.done());
  const ArcResult& result = verify.result();
  PW_CHECK(result.sets <= kSetsMax && result.sealers.size() <= result.sets);
  PW_CHECK((result.verdict == ArcVerdict::fail) == !result.reason.empty());
  return result;
}

void seal_and_verify(const Parts& parts, ArcVerdict verdict, std::size_t piece) {
  // No server puts a field before what would continue it.
  if (parts.header.starts_with(' ') || parts.header.starts_with('\t')) return;
  dkim::KeyFacts key{"a.example", "s", dkim::Algorithm::ed25519_sha256};
  auto seal = ArcSeal::begin(parts.header, verdict, "mx.example; none", key, kNow);
  if (!seal) return;
  feed(*seal, parts.body, piece);
  std::string signature = own_key().sign_digest(seal->end_body()).take();
  std::string hash = seal->seal_hash(signature);
  std::string header = seal->finish(own_key().sign_digest(hash).take());
  header += parts.header;
  std::string record = dkim::key_record_text(key.algorithm, own_key().public_key());
  ArcVerdict after = verified({header, parts.body}, record, piece + 1).verdict;
  if (verdict == ArcVerdict::none) PW_CHECK(after == ArcVerdict::pass);
  if (verdict == ArcVerdict::fail) PW_CHECK(after == ArcVerdict::fail);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t end = std::min(text.find('\0'), text.size());
  std::string_view record = text.substr(0, end);
  Parts parts = parts_of(text.substr(std::min(end + 1, text.size())));
  std::size_t piece = data[0] % 64U + 1;
  ArcResult result = verified(parts, record, piece);
  ArcResult again = verified(parts, record, parts.body.size() + 1);
  PW_CHECK(result.verdict == again.verdict && result.reason == again.reason);
  seal_and_verify(parts, result.verdict, piece);
  return 0;
}
