// Making signatures: which fields they name, how they are written, and that they verify.
#include <catch2/catch.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "common/authentication/dkim/folded_field.h"
#include "tests/unit/authentication/dkim/dkim_rig.h"

using namespace postwain;
using namespace postwain::authentication::dkim;
using namespace postwain::authentication::dkim::test;

namespace {

std::string names_of(std::string_view header, const FieldChoice& choice = {}) {
  auto names = fields_to_sign(HeaderList(header), choice);
  if (!names) return "error: " + names.error().text;
  std::string out;
  for (const std::string& one : *names) out += (out.empty() ? "" : ":") + one;
  return out;
}

std::string signed_field(const Mail& mail, const KeyFacts& facts, const tls::SigningKey& key,
                         const SignRules& rules = {}) {
  auto sign = DkimSign::begin(mail.header, {facts}, kNow, rules);
  REQUIRE(sign.ok());
  sign->body(mail.body);
  auto drafts = sign->end_body();
  REQUIRE(drafts.size() == 1);
  return finished_field(drafts[0], *key.sign_digest(drafts[0].hash));
}

std::size_t longest_line(std::string_view field) {
  std::size_t longest = 0;
  for (std::string_view line : split(field, '\n')) longest = std::max(longest, line.size());
  return longest - 1;  // the CR
}

std::string refusal_to_begin(std::string_view header, const KeyFacts& key,
                             const SignRules& rules = {}) {
  auto sign = DkimSign::begin(header, {key}, kNow, rules);
  return sign ? "" : sign.error().text;
}

}  // namespace

TEST_CASE("dkim: fields that are signed") {
  FieldChoice few{{"Subject", "List-*"}, {"X-One", "X-*"}};
  CHECK(names_of("From: a\r\n", few) == "From:From:Subject");
  CHECK(names_of("From: a\r\nSubject: 1\r\nsubject: 2\r\n", few) ==
        "From:From:Subject:Subject:Subject");
  CHECK(names_of("x-two: 1\r\nList-Id: x\r\nFrom: a\r\nX-One: 2\r\nlist-id: y\r\nX-ONE: 3\r\n",
                 few) == "From:From:Subject:List-Id:List-Id:List-Id:X-One:X-One:x-two");
  CHECK(names_of("From: a\r\n") ==
        "From:From:To:Cc:Subject:Date:Reply-To:Message-ID:In-Reply-To:References:MIME-Version:"
        "Content-Type:Content-Transfer-Encoding");
  FieldChoice all{{}, {"*", "Received"}};
  CHECK(names_of("Received: x\r\nReturn-Path: <>\r\nAuthentication-Results: x\r\nARC-Seal: x\r\n"
                 "DKIM-Signature: x\r\nFrom: a\r\nBcc: b\r\n",
                 all) == "From:From:Bcc");
  CHECK(names_of("From: a\r\nX;y: b\r\n" + std::string(65, 'n') + ": c\r\n", all) == "From:From");
}

TEST_CASE("dkim: messages that are not signed") {
  CHECK(names_of("To: a\r\n") == "error: the message has no From field");
  CHECK(names_of("From: a\r\nFROM: b\r\n") == "error: the message has several From fields");
  std::string many = "From: a\r\n";
  for (int i = 0; i < 600; ++i) many += "To: x\r\n";
  CHECK(names_of(many) == "error: the message has more fields than a signature can name");
}

TEST_CASE("dkim: our signatures verify") {
  Mail mail = plain_mail();
  for (const tls::SigningKey* key : {&ed25519(), &rsa()}) {
    KeyFacts facts{"A.Example", key == &rsa() ? "rsa" : "sel", *algorithm_of(key->algorithm())};
    for (std::string body : {"", "x", "\r\n\r\n", "a \r\n\r\n", "\xe4\r\n.\r\n..\r\n"}) {
      CAPTURE(body);
      mail.body = body;
      Mail complete{signed_field(mail, facts, *key) + mail.header, body};
      CHECK(first_of(complete, usual_zone()) == "pass");
      complete.header = "List-Id: x\r\n" + complete.header;
      CHECK(first_of(complete, usual_zone()) == "pass");
      for (std::string name : {"From", "Subject", "cc", "Message-ID", "Content-Type"}) {
        if (name == "From") continue;
        Mail added{name + ": x\r\n" + complete.header, body};
        CHECK(first_of(added, usual_zone()) == "fail: the signature does not fit the header");
      }
    }
  }
}

TEST_CASE("dkim: one pass over the body serves several keys") {
  Mail mail = plain_mail();
  std::vector<KeyFacts> keys{{"a.example", "sel", Algorithm::ed25519_sha256},
                             {"a.example", "rsa", Algorithm::rsa_sha256}};
  auto sign = DkimSign::begin(mail.header, keys, kNow);
  REQUIRE(sign.ok());
  for (char c : mail.body) sign->body({&c, 1});
  auto drafts = sign->end_body();
  REQUIRE(drafts.size() == 2);
  std::string header = finished_field(drafts[0], *ed25519().sign_digest(drafts[0].hash)) +
                       finished_field(drafts[1], *rsa().sign_digest(drafts[1].hash)) + mail.header;
  auto results = verified({header, mail.body}, usual_zone());
  REQUIRE(results.size() == 2);
  CHECK(results[0].verdict == Verdict::pass);
  CHECK(results[1].verdict == Verdict::pass);
}

TEST_CASE("dkim: how a signature is written") {
  SignRules rules;
  rules.good_for = std::chrono::hours(24);
  rules.identity = "ann b=c@Sub.A.example";
  std::string field = signed_field(plain_mail(), {"a.example", "rsa"}, rsa(), rules);
  CHECK(field.starts_with(
      "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.example; s=rsa;\r\n "
      "t=1800000000; x=1800086400; i=ann=20b=3Dc@sub.a.example; h=From:From:To:To:\r\n "
      "Cc:"));
  CHECK(field.ends_with("==\r\n"));
  CHECK(longest_line(field) <= 78);
  CHECK(field.find(" b=") > field.find("bh="));
  CHECK(field.find(';', field.find(" b=")) == std::string::npos);
  Mail complete{field + plain_mail().header, plain_mail().body};
  auto results = verified(complete, usual_zone());
  CHECK(results[0].verdict == Verdict::pass);
  CHECK(results[0].identity == "ann=20b=3Dc@sub.a.example");
}

TEST_CASE("dkim: keys and identities that cannot be") {
  std::string header = plain_mail().header;
  CHECK(refusal_to_begin(header, {"a.example", "s"}) == "");
  CHECK(refusal_to_begin(header, {"", "s"}) == "no key can be published at s._domainkey.");
  CHECK(refusal_to_begin(header, {"a.example", "s;x"}) ==
        "no key can be published at s;x._domainkey.a.example");
  CHECK(refusal_to_begin("To: x\r\n", {"a.example", "s"}) == "the message has no From field");
  auto identity = [&](std::string text) {
    SignRules rules;
    rules.identity = std::move(text);
    return refusal_to_begin(header, {"a.example", "s"}, rules);
  };
  CHECK(identity("@a.example") == "");
  CHECK(identity("x") == "the identity of a signature has no \"@\"");
  CHECK(identity("x@b.example") == "the identity of a signature is not of its domain a.example");
  CHECK(identity("x@xa.example") == "the identity of a signature is not of its domain a.example");
  CHECK(identity("x@a.example;d=b") ==
        "the identity of a signature is not of its domain a.example");
}

TEST_CASE("dkim: lines are as long as they may be, at every length of words") {
  for (std::size_t size = 1; size < 90; ++size) {
    FoldedField field("X");
    for (int i = 0; i < 20; ++i) field.add(std::string(size, 'a'));
    std::vector<std::string> words(20, std::string(size, 'b'));
    field.add_list("h", words);
    field.append(std::string(300, 'c'));
    std::string longest(1, '\0');
    for (std::string_view line : split(field.text() + "\r", '\n')) {
      CAPTURE(size, line);
      bool one_word = line.size() <= 1 + size + 4;
      CHECK((line.size() - 1 <= kFieldLineMax || one_word));
      CHECK(trim(line.substr(0, line.size() - 1)) != "");
    }
    FoldedField again = FoldedField::begun(field.text());
    again.append("cc");
    CHECK(longest_line(again.text() + "\r\n") >= 1);
  }
}
