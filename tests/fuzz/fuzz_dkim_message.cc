// Whole messages, verified and signed. The input: an octet that says how the body is cut, the
// record of every key up to a NUL, then the message. Verifying ends and asks little, it makes no
// difference how the body is cut or when the DNS answers, and what we sign verifies.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/published_key.h"
#include "common/authentication/dkim/sign.h"
#include "common/authentication/dkim/verify.h"
#include "common/base/check.h"
#include "tests/fuzz/fuzz_signed_message.h"

using namespace postwain;
using namespace postwain::fuzz;
using namespace postwain::authentication;
using namespace postwain::authentication::dkim;

namespace {

void answer_all(DkimVerify& verify, std::string_view record) {
  auto questions = verify.take_questions();
  PW_CHECK(questions.size() <= kSignaturesVerified);
  for (std::size_t i = 0; i < questions.size(); ++i)
    verify.answer(i, {dns::AnswerStatus::ok, {std::string(record)}});
}

std::vector<SignatureResult> verified(const Parts& parts, std::string_view record,
                                      std::size_t piece, bool dns_first) {
  DkimVerify verify(parts.header, "a.example", kNow);
  if (dns_first) answer_all(verify, record);
  for (std::string_view body = parts.body; !body.empty();
       body.remove_prefix(std::min(piece, body.size())))
    verify.body(body.substr(0, piece));
  verify.end_body();
  if (!dns_first) answer_all(verify, record);
  PW_CHECK(verify.done() && verify.results().size() <= kSignaturesRead);
  return verify.results();
}

void verify_twice(const Parts& parts, std::string_view record, std::size_t piece) {
  auto whole = verified(parts, record, parts.body.size() + 1, true);
  auto pieces = verified(parts, record, piece, false);
  PW_CHECK(whole.size() == pieces.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    PW_CHECK(whole[i].verdict == pieces[i].verdict && whole[i].reason == pieces[i].reason);
    PW_CHECK((whole[i].verdict == Verdict::pass) == whole[i].reason.empty());
  }
}

void sign_and_verify(const Parts& parts, std::size_t piece) {
  // No server puts a field before what would continue it.
  if (parts.header.starts_with(' ') || parts.header.starts_with('\t')) return;
  SignRules rules;
  rules.fields.others = {"*"};
  auto sign =
      DkimSign::begin(parts.header, {{"a.example", "s", Algorithm::ed25519_sha256}}, kNow, rules);
  if (!sign) return;
  for (std::string_view body = parts.body; !body.empty();
       body.remove_prefix(std::min(piece, body.size())))
    sign->body(body.substr(0, piece));
  SignatureDraft draft = sign->end_body().front();
  std::string header = finished_field(draft, *own_key().sign_digest(draft.hash));
  header += parts.header;
  std::string record = key_record_text(Algorithm::ed25519_sha256, own_key().public_key());
  auto results = verified({header, parts.body}, record, piece + 1, true);
  PW_CHECK(!results.empty() && results.front().verdict == Verdict::pass);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t end = std::min(text.find('\0'), text.size());
  std::string_view record = text.substr(0, end);
  Parts parts = parts_of(text.substr(std::min(end + 1, text.size())));
  std::size_t piece = data[0] % 64U + 1;
  verify_twice(parts, record, piece);
  sign_and_verify(parts, piece);
  return 0;
}
