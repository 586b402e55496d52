// ARC chains (RFC 8617): their structure, verifying them, and adding to them.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/authentication/arc/arc_seal.h"
#include "common/authentication/arc/arc_verify.h"
#include "tests/unit/authentication/dkim/dkim_rig.h"

using namespace postwain;
using namespace postwain::authentication;
using namespace postwain::authentication::arc;
using dkim::KeyFacts;
using dkim::test::ed25519;
using dkim::test::Mail;
using dkim::test::rsa;
using dkim::test::Zone;

namespace {

constexpr std::string_view kResults = "mx.example; spf=pass\r\n smtp.mailfrom=a.example";

ArcResult result_of(const Mail& mail, const Zone& zone) {
  ArcVerify verify(mail.header);
  auto questions = verify.take_questions();
  for (std::size_t i = 0; i < questions.size(); ++i)
    verify.answer(i, dkim::test::answer_of(zone, questions[i].name));
  for (char c : mail.body) verify.body({&c, 1});
  verify.end_body();
  REQUIRE(verify.done());
  return verify.result();
}

std::string text_of_result(const Mail& mail, const Zone& zone) {
  ArcResult result = result_of(mail, zone);
  return std::string(arc::name_of(result.verdict)) +
         (result.reason.empty() ? "" : ": " + result.reason);
}

Result<ArcSeal> begin(const Mail& mail, ArcVerdict verified, const KeyFacts& key) {
  return ArcSeal::begin(mail.header, verified, kResults, key, dkim::test::kNow);
}

Mail sealed(Mail mail, ArcVerdict verified, const KeyFacts& key, const tls::SigningKey& own) {
  auto seal = begin(mail, verified, key);
  REQUIRE(seal.ok());
  seal->body(mail.body);
  std::string message = own.sign_digest(seal->end_body()).take();
  std::string hash = seal->seal_hash(message);
  mail.header = seal->finish(own.sign_digest(hash).take()) + mail.header;
  return mail;
}

const KeyFacts kFirst{"a.example", "sel", dkim::Algorithm::ed25519_sha256};
const KeyFacts kSecond{"B.example", "rsa", dkim::Algorithm::rsa_sha256};

Zone zone_of_both() {
  return {{"sel._domainkey.a.example", {dkim::test::record_of(ed25519())}},
          {"rsa._domainkey.b.example", {dkim::test::record_of(rsa())}}};
}

Mail chain_of_three() {
  Mail mail = sealed(dkim::test::plain_mail(), ArcVerdict::none, kFirst, ed25519());
  mail.header = "Received: by one\r\n" + mail.header;
  mail = sealed(mail, ArcVerdict::pass, kSecond, rsa());
  return sealed(mail, ArcVerdict::pass, kFirst, ed25519());
}

std::string changed(std::string text, std::string_view from, std::string_view to) {
  std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("arc: a chain that we made is whole, and names its sealers") {
  Mail mail = dkim::test::plain_mail();
  CHECK(text_of_result(mail, {}) == "none");
  mail = chain_of_three();
  ArcResult result = result_of(mail, zone_of_both());
  CHECK(result.reason == "");
  CHECK(result.verdict == ArcVerdict::pass);
  CHECK(result.sets == 3);
  CHECK(result.sealers == std::vector<std::string>{"a.example", "b.example", "a.example"});
  ArcVerify verify(mail.header);
  CHECK(verify.take_questions().size() == 2);
  for (std::string_view line : split(mail.header, '\n')) CHECK(line.size() <= 79);
}

TEST_CASE("arc: what was changed on the way breaks the chain where it was changed") {
  Mail mail = chain_of_three();
  struct Case {
    std::string_view from;
    std::string_view to;
    std::string_view result;
    std::size_t failed_at;
  };
  for (auto [from, to, result, failed_at] :
       {Case{"To: bob", "To: eve",
             "fail: message signature 3: the signature does not fit the header", 3},
        Case{"i=3; mx.example; spf=pass", "i=3; mx.example; spf=fail",
             "fail: seal 3: the signature does not fit the header", 3},
        Case{"i=1; mx.example; spf=pass", "i=1; mx.example; spf=fail",
             "fail: seal 3: the signature does not fit the header", 3}}) {
    CAPTURE(from);
    Mail other{changed(mail.header, from, to), mail.body};
    CHECK(text_of_result(other, zone_of_both()) == result);
    CHECK(result_of(other, zone_of_both()).failed_at == failed_at);
  }
  Mail longer{mail.header, mail.body + "more"};
  CHECK(text_of_result(longer, zone_of_both()) ==
        "fail: message signature 3: the body was changed");
  Mail above{"Received: by two\r\n" + mail.header, mail.body};
  CHECK(text_of_result(above, zone_of_both()) == "pass");
  CHECK(text_of_result({changed(mail.header, "cv=none;", "h=a; cv=none;"), mail.body},
                       zone_of_both()) == "fail: seal 1: it is a seal with h=");
  CHECK(text_of_result({changed(mail.header, "; bh=", "; hb="), mail.body}, zone_of_both()) ==
        "fail: message signature 3: it has no bh=");
}

TEST_CASE("arc: any octet of the sets that changes breaks the chain") {
  Mail mail = sealed(dkim::test::plain_mail(), ArcVerdict::none, kFirst, ed25519());
  mail = sealed(mail, ArcVerdict::pass, kFirst, ed25519());
  REQUIRE(text_of_result(mail, zone_of_both()) == "pass");
  std::size_t end = mail.header.find("From:");
  for (std::size_t i = 0; i < end; ++i) {
    char old = mail.header[i];
    bool blank = old == ' ' || old == '\r' || old == '\n';
    if (blank) continue;
    Mail other = mail;
    other.header[i] = old == 'x' ? 'y' : 'x';
    CAPTURE(i, other.header);
    CHECK(result_of(other, zone_of_both()).verdict != ArcVerdict::pass);
  }
}

TEST_CASE("arc: keys that are missing, and keys that cannot be had now") {
  Mail mail = chain_of_three();
  Zone zone = zone_of_both();
  zone["rsa._domainkey.b.example"] = {};
  ArcResult result = result_of(mail, zone);
  CHECK(result.reason == "seal 2: its key could not be looked up");
  CHECK(result.failed_at == 2);
  CHECK(result.temporary);
  zone.erase("rsa._domainkey.b.example");
  CHECK(text_of_result(mail, zone) == "fail: seal 2: there is no key for it");
  CHECK_FALSE(result_of(mail, zone).temporary);
}

TEST_CASE("arc: the structure of a chain") {
  const std::string results = "ARC-Authentication-Results: i={0}; x\r\n";
  const std::string message = "ARC-Message-Signature: i={0}; d=a\r\n";
  const std::string seal = "ARC-Seal: i={0}; cv={1}\r\n";
  auto set = [&](std::string i, std::string cv) {
    return fmt::format(fmt::runtime(results + message + seal), i, cv);
  };
  std::string many;
  for (int i = 1; i <= 51; ++i) many += set(std::to_string(i), i == 1 ? "none" : "pass");
  const std::pair<std::string, std::string_view> kCases[] = {
      {"", ""},
      {set("1", "none"), ""},
      {set("2", "pass") + set("1", "none"), ""},
      {set("1", "NONE"), ""},
      {set("1", "pass"), "a seal does not say what it has to say of the chain"},
      {set("1", "fail"), "the last sealer found the chain broken"},
      {set("1", "none") + set("2", "fail"), "the last sealer found the chain broken"},
      {set("1", "none") + set("2", "none"), "a seal does not say what it has to say of the chain"},
      {set("1", "none") + set("2", "x"), "a seal does not say what it has to say of the chain"},
      {set("1", "fail") + set("2", "pass"), "a seal does not say what it has to say of the chain"},
      {set("2", "pass"), "an ARC set lacks a field"},
      {set("1", "none") + set("3", "pass"), "an ARC set lacks a field"},
      {set("1", "none") + set("1", "none"), "an ARC set has a field twice"},
      {set("0", "none"), "an ARC field has no right instance"},
      {set("51", "none"), "an ARC field has no right instance"},
      {set("x", "none"), "an ARC field has no right instance"},
      {set("001", "none"), "an ARC field has no right instance"},
      {"ARC-Seal: i=1; cv=none\r\n", "an ARC set lacks a field"},
      {"ARC-Authentication-Results: i=1; x\r\n", "an ARC set lacks a field"},
      {set("1", "none") + "ARC-Seal: i=2; cv=pass\r\n", "an ARC set lacks a field"},
      {set("1", "none") + "ARC-Seal: i=1; cv=none\r\n", "an ARC set lacks a field"},
      {"ARC-Authentication-Results: x\r\nARC-Message-Signature: i=1\r\nARC-Seal: i=1\r\n",
       "an ARC field has no right instance"},
      {"ARC-Authentication-Results:i = 1 ;x\r\nARC-Message-Signature: i=1\r\nARC-Seal: i=1; "
       "cv=none\r\n",
       ""},
      {many, "there are too many ARC sets"},
  };
  for (const auto& [header, trouble] : kCases) {
    CAPTURE(header);
    CHECK(collect_sets(dkim::HeaderList(header)).trouble == trouble);
  }
}

TEST_CASE("arc: as many sets as there may be are verified") {
  Mail mail = sealed(dkim::test::plain_mail(), ArcVerdict::none, kFirst, ed25519());
  for (std::size_t i = 1; i < kSetsMax; ++i)
    mail = sealed(mail, ArcVerdict::pass, kFirst, ed25519());
  CHECK(text_of_result(mail, zone_of_both()) == "pass");
  auto more = begin(mail, ArcVerdict::pass, kFirst);
  REQUIRE_FALSE(more.ok());
  CHECK(more.error().text == "the message has as many ARC sets as it may have");
}

TEST_CASE("arc: a broken chain is sealed as broken, once") {
  Mail mail = chain_of_three();
  mail.body += "more";
  Mail broken = sealed(mail, ArcVerdict::fail, kFirst, ed25519());
  CHECK(broken.header.find("cv=fail;") != std::string::npos);
  CHECK(text_of_result(broken, zone_of_both()) == "fail: the last sealer found the chain broken");
  auto again = begin(broken, ArcVerdict::fail, kFirst);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().text == "the ARC chain was sealed as broken before");
}

TEST_CASE("arc: messages and results that are not sealed") {
  Mail mail = dkim::test::plain_mail();
  CHECK_FALSE(begin({"To: x\r\n", ""}, ArcVerdict::none, kFirst).ok());
  CHECK_FALSE(begin(mail, ArcVerdict::none, {"", "sel"}).ok());
  for (std::string_view results : {"mx\r\nFrom: x", "mx\nFrom: x", "mx\r\n", "mx\rx"})
    CHECK_FALSE(
        ArcSeal::begin(mail.header, ArcVerdict::none, results, kFirst, dkim::test::kNow).ok());
}

TEST_CASE("arc: the DKIM signatures of a message are signed, so that they stay what they were") {
  Mail mail = dkim::test::plain_mail();
  mail.header = dkim::test::signature_of(mail, {}) + mail.header;
  Mail chain = sealed(mail, ArcVerdict::none, kFirst, ed25519());
  CHECK(text_of_result(chain, zone_of_both()) == "pass");
  chain.header = changed(chain.header, "DKIM-Signature: v=1", "DKIM-Signature: v=2");
  CHECK(text_of_result(chain, zone_of_both()) ==
        "fail: message signature 1: the signature does not fit the header");
}
