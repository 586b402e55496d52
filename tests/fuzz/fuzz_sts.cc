// MTA-STS records and policies (RFC 8461), and a server that leads our login astray: any text is
// taken apart without trouble, and what is taken keeps its promises.
#include <cstdlib>

#include "common/base/text.h"
#include "common/mail/sts_policy.h"
#include "common/sasl/client_exchange.h"
#include "tests/fuzz/fuzz_digest.h"

using namespace postwain;

namespace {

void check(bool good) {
  if (!good) std::abort();
}

const fuzz::FuzzDigest kDigest;

void policy(std::string_view text) {
  std::string why;
  auto found = mail::parse_sts_policy(text, why);
  check(found.has_value() == why.empty());
  if (!found) return;
  check(found->max_age <= mail::kStsAgeMax && found->hosts.size() <= mail::kStsHostsMax);
  check(found->mode == mail::StsPolicy::Mode::none || !found->hosts.empty());
  for (const std::string& host : found->hosts) {
    check(host == to_lower(host));
    bool wild = host.substr(0, 2) == "*.";
    check(found->lists(wild ? "a" + host.substr(1) : host));
  }
}

void record(std::string_view text) {
  std::vector<std::string> texts;
  for (std::string_view one : split(text, '\n')) texts.emplace_back(one);
  if (auto id = mail::sts_id(texts)) check(!id->empty() && id->size() <= 32);
}

// Whatever a server says, it is not believed to know the password.
void login(std::uint8_t which, std::string_view text) {
  auto mechanism = static_cast<sasl::Mechanism>(which % 7);
  sasl::ClientLogin ours;
  ours.user = "user";
  ours.secret = "secret";
  ours.nonce = "ournonce";
  ours.bindings.exporter = "bound";
  ours.digest = &kDigest;
  auto client = sasl::new_client(mechanism, ours);
  (void)client->initial();
  for (std::string_view challenge : split(text, '\n'))
    if (!client->respond(challenge)) {
      check(!client->why().empty());
      break;
    }
  bool scram =
      mechanism == sasl::Mechanism::scram_sha256 || mechanism == sasl::Mechanism::scram_sha256_plus;
  check(!scram || !client->may_succeed());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      policy(text);
      break;
    case 1:
      record(text);
      break;
    default:
      login(data[0] / 3, text);
  }
  return 0;
}
