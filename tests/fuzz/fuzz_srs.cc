// Rewritten senders: any address that is rewritten is an address, within its bounds, and comes back
// as it was; nothing that was not made by us is taken for ours.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/rewrite/srs.h"
#include "common/smtp/syntax/address_syntax.h"

using namespace postwain;
using namespace postwain::rewrite;

namespace {

const Srs kFirst({"first.example", {"secret", "former"}, '='});
const Srs kSecond({"second.example", {"other"}, '+'});

void out_and_back(const Srs& by, const mail::Address& sender, WallTime now) {
  SrsOutcome made = by.forward(sender, now);
  PW_CHECK((made.problem == SrsProblem::none) == !made.address.is_null());
  if (made.problem != SrsProblem::none) return;
  PW_CHECK(made.address.local().size() <= kSrsLocalMax);
  PW_CHECK(made.address.text().size() <= kSrsAddressMax);
  PW_CHECK(smtp::parse_mailbox(made.address.text()) == made.address);
  PW_CHECK(by.is_ours(made.address));
  SrsOutcome back = by.reverse(made.address, now);
  PW_CHECK(back.problem == SrsProblem::none);
  std::string local = made.address.local_unquoted();
  if (istarts_with(local, "SRS1")) {
    PW_CHECK(istarts_with(back.address.local_unquoted(), "SRS0"));
    return;
  }
  PW_CHECK(back.address.local_unquoted() == sender.local_unquoted());
  PW_CHECK(back.address.domain_key() == sender.domain_key());
  PW_CHECK(by.reverse(made.address, now + std::chrono::days(kSrsDaysValid + 1)).problem ==
           SrsProblem::expired);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  std::int64_t days = data[0] << 8 | data[1];
  WallTime now = from_unix_ms(days * 86'400'000 + data[2]);
  std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  for (std::string_view line : split(text, '\n')) {
    // Any octets, as no parser of ours would hand them on, and addresses.
    mail::Address odd = mail::Address::from_text(line);
    (void)kFirst.forward(odd, now);
    (void)kFirst.reverse(odd, now);
    auto sender = smtp::parse_mailbox(line);
    if (!sender) continue;
    out_and_back(kFirst, *sender, now);
    SrsOutcome first = kFirst.forward(*sender, now);
    if (first.problem == SrsProblem::none) out_and_back(kSecond, first.address, now);
    SrsOutcome back = kFirst.reverse(*sender, now);
    if (back.problem == SrsProblem::none)
      PW_CHECK(smtp::parse_mailbox(back.address.text()) == back.address);
    PW_CHECK(kSecond.reverse(first.address, now).problem != SrsProblem::none);
  }
  return 0;
}
