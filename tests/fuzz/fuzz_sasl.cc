// Bytes as a client's side of a SASL exchange, as a users file and as lines of Dovecot. The first
// byte chooses; responses are separated by a newline. No exchange may succeed that the host did not
// approve, and whatever a user's name is, it holds no NUL and is within bounds.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/sasl/dovecot_lines.h"
#include "common/sasl/exchange.h"
#include "common/sasl/users_file.h"
#include "tests/fuzz/fuzz_digest.h"

using namespace postwain;
using namespace postwain::sasl;
using postwain::fuzz::FuzzDigest;

namespace {

const FuzzDigest kDigest;

void run(Exchange& exchange, std::string_view responses) {
  bool asked = false;
  for (std::string_view response : split(responses, '\n')) {
    Step step = exchange.respond(response);
    while (step.kind == Step::Kind::password || step.kind == Step::Kind::keys) {
      asked = true;
      PW_CHECK(!exchange.user().empty() && exchange.user().size() <= kNameMax);
      PW_CHECK(exchange.user().find('\0') == std::string::npos);
      PW_CHECK(exchange.password().size() <= kPasswordMax);
      step = step.kind == Step::Kind::password
                 ? exchange.approve(false)
                 : exchange.supply(scram_keys(kDigest, "a secret nobody knows", "salt", 4096));
    }
    PW_CHECK(step.kind != Step::Kind::success);
    PW_CHECK(step.kind != Step::Kind::challenge || step.challenge.find('\0') == std::string::npos);
    if (step.kind == Step::Kind::failure) return;
  }
  PW_CHECK(asked || exchange.user().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      run(*new_plain(), bytes);
      break;
    case 1:
      run(*new_login(), bytes);
      break;
    case 2:
      run(*new_scram_sha256({&kDigest, "nonce", false, false, {}}), bytes);
      break;
    case 3:
      run(*new_scram_sha256({&kDigest, "nonce", true, true, {"bound", "", "end"}}), bytes);
      break;
    case 4:
      for (const User& user : parse_users(bytes).users) PW_CHECK(!user.name.empty());
      break;
    case 5:
      for (std::string_view line : split(bytes, '\n')) parse_dovecot(line);
      break;
  }
  return 0;
}
