// Rewritten senders: out and back, what is not rewritten, and what is not taken back. That other
// programs read ours and we theirs is tested in tests/system/authentication/test_srs_oracles.py.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/rewrite/srs.h"
#include "common/smtp/syntax/address_syntax.h"

using namespace postwain;
using namespace postwain::rewrite;

namespace {

constexpr std::int64_t kDay = 86'400'000;
const WallTime kNow = from_unix_ms(20'000 * kDay + 5);

Srs srs(const std::string& domain = "ours.example",
        const std::vector<std::string>& secrets = {"one"}, char separator = '=') {
  return Srs(SrsSettings{domain, secrets, separator});
}

mail::Address address(std::string_view text) {
  auto parsed = smtp::parse_mailbox(text);
  REQUIRE(parsed);
  return *parsed;
}

std::string forward(const Srs& by, std::string_view sender, WallTime now = kNow) {
  SrsOutcome out = by.forward(address(sender), now);
  return out.problem == SrsProblem::none ? out.address.text() : std::string(text_of(out.problem));
}

std::string reverse(const Srs& by, std::string_view recipient, WallTime now = kNow) {
  SrsOutcome out = by.reverse(address(recipient), now);
  CHECK(out.address.is_null() == (out.problem != SrsProblem::none));
  return out.problem == SrsProblem::none ? out.address.text() : std::string(text_of(out.problem));
}

}  // namespace

TEST_CASE("SRS: out and back") {
  for (const char* sender :
       {"alice@far.example", "Alice.B+tag@Far.Example", "a=b=c@far.example", "=@far.example",
        "\"a b\"@far.example", "\"a\\\"b\\\\\"@far.example", "SRS0@far.example",
        "SRS1=x@far.example", "SRS0=x=y@far.example", "SRS2=a=b=c=d@far.example", "a@[192.0.2.1]",
        "ä@far.example", "a/b@far.example", "srs0-a-b@far.example"}) {
    for (char separator : {'=', '+', '-'}) {
      Srs by = srs("ours.example", {"one"}, separator);
      std::string rewritten = forward(by, sender);
      INFO(sender << " " << rewritten);
      mail::Address made = address(rewritten);
      CHECK(made.domain() == "ours.example");
      CHECK(made.local_unquoted().substr(0, 5) == std::string("SRS0") + separator);
      CHECK(reverse(by, rewritten) == sender);
      CHECK(by.is_ours(made));
      CHECK(reverse(srs(), rewritten) == sender);  // whatever the separator
    }
  }
  CHECK(reverse(srs(), forward(srs(), "a@bücher.example")) == "a@xn--bcher-kva.example");
  CHECK(reverse(srs(), forward(srs(), "taro..y@far.example")) == "\"taro..y\"@far.example");
}

TEST_CASE("SRS: a form that others know") {
  std::string made = forward(srs(), "alice@far.example");
  // SRS0=HHHH=TT=far.example=alice@ours.example
  auto parts = split(made, '=');
  REQUIRE(parts.size() == 5);
  CHECK(parts[0] == "SRS0");
  CHECK(parts[1].size() == 4);
  CHECK(parts[2] == "RA");  // 20000 modulo 1024 is 544
  CHECK(parts[3] == "far.example");
  CHECK(parts[4] == "alice@ours.example");
}

TEST_CASE("SRS: what another one has forwarded") {
  Srs first = srs("first.example", {"a"});
  Srs second = srs("second.example", {"b"});
  Srs third = srs("third.example", {"c"});
  std::string one = forward(first, "alice@far.example");
  std::string two = forward(second, one);
  CHECK(two.substr(0, 5) == "SRS1=");
  CHECK(two.substr(9) == "=first.example=" + one.substr(4, one.find('@') - 4) + "@second.example");
  std::string three = forward(third, two);
  CHECK(three.size() == two.size() - 1);  // only the domain is another one
  CHECK(reverse(third, three) == one);
  CHECK(reverse(second, two) == one);
  CHECK(reverse(first, one) == "alice@far.example");
  // A local part that only begins so is one like others.
  CHECK(forward(second, "SRS0=only@first.example").substr(0, 5) == "SRS0=");
  CHECK(forward(second, "SRS1=a=b=c@first.example").substr(0, 5) == "SRS0=");
  CHECK(forward(second, "SRS1=A=no+domain==A=B=c=d@f.example").substr(0, 5) == "SRS0=");
  CHECK(forward(second, "SRS0+A=B=c.example=d@f.example").find("=f.example=+A=B=c.example=d@") !=
        std::string::npos);
}

TEST_CASE("SRS: how long an address is good for") {
  std::string made = forward(srs(), "alice@far.example");
  const std::string sender = "alice@far.example";
  const std::string expired = "is no longer valid";
  for (auto [days, expected] : std::vector<std::pair<int, std::string>>{{0, sender},
                                                                        {1, sender},
                                                                        {21, sender},
                                                                        {22, expired},
                                                                        {100, expired},
                                                                        {1022, expired},
                                                                        {-1, sender},
                                                                        {-2, expired},
                                                                        {1024, sender}}) {
    INFO(days);
    CHECK(reverse(srs(), made, kNow + std::chrono::days(days)) == expected);
  }
  // The count begins anew.
  WallTime last = from_unix_ms((1024 * 19 + 1023) * kDay);
  std::string late = forward(srs(), sender, last);
  CHECK(late.substr(10, 2) == "77");
  CHECK(reverse(srs(), late, last + std::chrono::days(20)) == sender);
  CHECK(reverse(srs(), late, last + std::chrono::days(22)) == expired);
  WallTime before = from_unix_ms(-5);
  CHECK(reverse(srs(), forward(srs(), sender, before), before) == sender);
}

TEST_CASE("SRS: hashes") {
  const std::string bad = "was changed on its way, or is not ours";
  std::string made = forward(srs(), "alice@far.example");
  CHECK(reverse(srs(), to_lower(made)) == "alice@far.example");
  std::string upper = made;
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  CHECK(reverse(srs(), upper) == "ALICE@FAR.EXAMPLE");
  for (std::size_t at : {5U, 8U, 10U, 13U, 25U}) {
    std::string changed = made;
    changed[at] = changed[at] == 'B' ? 'C' : 'B';
    INFO(changed);
    CHECK(reverse(srs(), changed) == bad);
  }
  CHECK(reverse(srs("ours.example", {"two"}), made) == bad);
  CHECK(reverse(srs("ours.example", {"two", "one"}), made) == "alice@far.example");
  CHECK(forward(srs("ours.example", {"two", "one"}), "alice@far.example") ==
        forward(srs("ours.example", {"two"}), "alice@far.example"));
  CHECK(reverse(srs(), "SRS0=" + made.substr(5, 3) + made.substr(9)) == bad);  // three characters
  std::string two = forward(srs(), "SRS0=AAAA=BB=far.example=alice@first.example");
  two[5] = two[5] == 'B' ? 'C' : 'B';
  CHECK(reverse(srs(), two) == bad);
}

TEST_CASE("SRS: what is none") {
  const std::string none = "is no rewritten address";
  const std::string malformed = "is no complete rewritten address";
  for (const char* text : {"alice@ours.example", "SRS0@ours.example", "SRS0x=a=b=c=d@ours.example",
                           "SRS2=a=b=c=d@ours.example", "SRS0=AAAA=BB=far.example=a@other.example"})
    CHECK(reverse(srs(), text) == none);
  for (const char* text :
       {"SRS0=a@ours.example", "SRS0=AAAA=BB@ours.example", "SRS0=AAAA=BB=far.example@ours.example",
        "SRS0=AAAA=BB=far.example=@ours.example", "SRS0==BB=far.example=a@ours.example",
        "SRS0=AAAA==far.example=a@ours.example", "SRS1=AAAA=first.example@ours.example",
        "SRS1=AAAA=first.example=a=b=c@ours.example", "SRS1=AAAA==AAAA=BB=c.example=d@ours.example",
        "SRS1=AAAA=first.example=xAAA=BB=far.example=a@ours.example",
        "SRS1=AAAA=fi+rst.example==AAAA=BB=far.example=a@ours.example"})
    CHECK(reverse(srs(), text) == malformed);
  CHECK(srs().reverse(mail::Address("SRS0=AAAA=BB=far.example=a", ""), kNow).problem ==
        SrsProblem::not_srs);
  CHECK(srs().reverse({}, kNow).problem == SrsProblem::not_srs);
  CHECK(srs("OURS.example").is_ours(address("srs0=AAAA=BB=far.example=a@ours.EXAMPLE")));
}

TEST_CASE("SRS: what cannot be rewritten") {
  const std::string long_text = "would be too long when rewritten";
  auto local_of = [](std::size_t size) { return std::string(size, 'a') + "@far.example"; };
  // "SRS0=HHHH=TT=far.example=" are 25 octets.
  CHECK(address(forward(srs(), local_of(kSrsLocalMax - 25))).local().size() == kSrsLocalMax);
  CHECK(forward(srs(), local_of(kSrsLocalMax - 24)) == long_text);
  CHECK(forward(srs(), local_of(200)) == long_text);
  std::string label(60, 'd');
  std::string ours = label + "." + label + "." + label + ".example";  // 190 octets
  CHECK(address(forward(srs(ours), local_of(kSrsLocalMax - 26))).text().size() == 190 + 64);
  CHECK(forward(srs(ours), local_of(kSrsLocalMax - 25)) == long_text);
  CHECK(srs().forward({}, kNow).problem == SrsProblem::no_domain);
  CHECK(srs().forward(mail::Address("postmaster", ""), kNow).problem == SrsProblem::no_domain);
  CHECK(srs().forward(address("\"\"@far.example"), kNow).problem == SrsProblem::unfit);
  CHECK(srs().forward(mail::Address("a\r\nb", "far.example"), kNow).problem == SrsProblem::unfit);
  CHECK(srs().forward(mail::Address(std::string_view("\0", 1), "far.example"), kNow).problem ==
        SrsProblem::unfit);
}

TEST_CASE("SRS: when a sender is rewritten") {
  Srs by = srs();
  mail::Address stranger = address("alice@far.example");
  CHECK(srs_need(by, stranger, {true, false}) == SrsNeed::rewrite);
  CHECK(srs_need(by, stranger, {false, false}) == SrsNeed::recipient_inside);
  CHECK(srs_need(by, stranger, {true, true}) == SrsNeed::own_sender);
  CHECK(srs_need(by, {}, {true, false}) == SrsNeed::no_sender);
  CHECK(srs_need(by, mail::Address("postmaster", ""), {true, false}) == SrsNeed::no_sender);
  CHECK(srs_need(by, address(forward(by, "alice@far.example")), {true, false}) ==
        SrsNeed::rewritten);
  CHECK(srs_need(by, address("SRS0=AAAA=BB=c.example=d@far.example"), {true, false}) ==
        SrsNeed::rewrite);
}
