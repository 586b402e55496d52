// Verifying: what each signature of a message gives, in every way in which it can be wrong.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "tests/unit/authentication/dkim/dkim_rig.h"

using namespace postwain;
using namespace postwain::authentication;
using namespace postwain::authentication::dkim;
using namespace postwain::authentication::dkim::test;

namespace {

std::string first_with(const Shape& shape, const Zone& zone = usual_zone()) {
  return first_of(with_signature(plain_mail(), shape), zone);
}

Shape rsa_shape() {
  Shape shape;
  shape.key = &rsa();
  shape.tags["s"] = "rsa";
  return shape;
}

}  // namespace

TEST_CASE("dkim: right signatures pass, in all pairs of forms and with both kinds of key") {
  for (std::string forms :
       {"relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "relaxed", ""}) {
    for (Shape shape : {Shape(), rsa_shape()}) {
      CAPTURE(forms, shape.key != nullptr);
      shape.tags["c"] = forms;
      auto results = verified(with_signature(plain_mail(), shape), usual_zone());
      REQUIRE(results.size() == 1);
      CHECK(results[0].reason == "");
      CHECK(results[0].verdict == Verdict::pass);
      CHECK(results[0].domain == "a.example");
      CHECK(results[0].identity == "@a.example");
      CHECK(results[0].key_bits == (shape.key != nullptr ? 2048 : 256));
      CHECK_FALSE(results[0].testing);
    }
  }
}

TEST_CASE("dkim: what a signature says against itself") {
  const std::string now = std::to_string(kNowSeconds);
  const std::string past = std::to_string(kNowSeconds - 1);
  const std::string soon = std::to_string(kNowSeconds + 3600);
  const std::string later = std::to_string(kNowSeconds + 3601);
  struct Case {
    std::map<std::string, std::string> tags;
    std::string_view result;
  };
  const Case kCases[] = {
      {{{"x", now}}, "pass"},
      {{{"x", past}}, "fail: it has expired"},
      {{{"t", now}}, "pass"},
      {{{"t", soon}}, "pass"},
      {{{"t", later}}, "neutral: it was made in the future"},
      {{{"t", "99999999999999999999999"}}, "neutral: it was made in the future"},
      {{{"x", "99999999999999999999999"}}, "pass"},
      {{{"h", "To:From:From:From:Nothing:Nothing"}}, "pass"},
      {{{"h", "To"}}, "permerror: it does not sign the From field"},
      {{{"d", "b.example"}}, "permerror: there is no key for it"},
      {{{"a", "rsa-sha1"}}, "permerror: rsa-sha1 is not good any more (RFC 8301)"},
      {{{"a", "rsa-sha256"}}, "permerror: its key is of another kind"},
      {{{"b", "AAAA"}}, "fail: the signature does not fit the header"},
      {{{"bh", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}, "fail: the body was changed"},
      {{{"i", "x@a.example"}}, "pass"},
      {{{"i", "x@sub.a.example"}}, "pass"},
      {{{"i", "x@other.example"}}, "permerror: its i= is not of its domain"},
      {{{"c", "new/new"}}, "neutral: its c= is not known"},
      {{{"v", "2"}}, "neutral: its version is not known"},
  };
  for (const Case& one : kCases) {
    CAPTURE(one.tags.begin()->first, one.tags.begin()->second);
    Shape shape;
    shape.tags = one.tags;
    CHECK(first_with(shape) == one.result);
  }
  Shape more;
  more.more = "; unknown=x";
  CHECK(first_with(more) == "pass");
}

TEST_CASE("dkim: what the DNS says of the key") {
  std::string good = record_of(ed25519());
  struct Case {
    std::vector<std::string> records;  // none: the DNS did not answer
    std::string_view result;
  };
  const Case kCases[] = {
      {{}, "temperror: its key could not be looked up"},
      {{good}, "pass"},
      {{good + "; t=y"}, "pass"},
      {{"v=spf1 -all", good}, "pass"},
      {{"x", record_of(rsa()), good}, "pass"},
      {{"x", "y", "z", good}, "permerror: the record of its key is malformed"},
      {{"v=DKIM1; p="}, "permerror: its key was revoked"},
      {{record_of(rsa())}, "permerror: its key is of another kind"},
      {{good + "; s=tlsrpt"}, "permerror: its key is not for mail"},
      {{good + "; h=sha1"}, "permerror: its key is not for SHA-256"},
      {{"x", "v=DKIM1; k=ed25519; p=" + base64_encode(std::string(32, 'x'))},
       "fail: the signature does not fit the header"},
  };
  for (const Case& one : kCases) {
    CHECK(first_with({}, {{"sel._domainkey.a.example", one.records}}) == one.result);
  }
  Shape below;
  below.tags["i"] = "x@sub.a.example";
  CHECK(first_with(below, {{"sel._domainkey.a.example", {good + "; t=s"}}}) ==
        "permerror: its key is not for domains below its domain");
  CHECK(first_with({}, {{"sel._domainkey.a.example", {good + "; t=s"}}}) == "pass");
}

TEST_CASE("dkim: a domain that tries DKIM out is told of") {
  Zone zone{{"sel._domainkey.a.example", {record_of(ed25519()) + "; t=y"}}};
  Mail mail = with_signature(plain_mail(), {});
  CHECK(verified(mail, zone)[0].testing);
  mail.body += "more";
  CHECK(verified(mail, zone)[0].testing);
  CHECK(verified(mail, zone)[0].verdict == Verdict::fail);
}

TEST_CASE("dkim: any octet of what was signed that changes breaks the signature") {
  Shape shape;
  shape.tags["c"] = "simple/simple";
  Mail mail = with_signature(plain_mail(), shape);
  auto passes = [&](const Mail& one) {
    auto results = verified(one, usual_zone());
    return !results.empty() && results[0].verdict == Verdict::pass;
  };
  REQUIRE(passes(mail));
  for (std::size_t i = 0; i < mail.header.size(); ++i) {
    Mail changed = mail;
    changed.header[i] = changed.header[i] == 'x' ? 'y' : 'x';
    CAPTURE(i, changed.header);
    CHECK_FALSE(passes(changed));
  }
  // The last line end is one that trailing empty lines do not change.
  for (std::size_t i = 0; i + 4 < mail.body.size(); ++i) {
    Mail changed = mail;
    changed.body[i] = static_cast<char>(changed.body[i] ^ 1);
    CAPTURE(i, changed.body);
    CHECK_FALSE(passes(changed));
  }
}

TEST_CASE("dkim: a field added above is seen where names are signed once more") {
  Shape open;
  Shape closed;
  closed.tags["h"] = "From:To:Subject:Subject";
  for (const Shape& shape : {open, closed}) {
    Mail mail = with_signature(plain_mail(), shape);
    mail.header = "Subject: other\r\n" + mail.header;
    CHECK(first_of(mail, usual_zone()) ==
          (shape.tags.empty() ? "pass" : "fail: the signature does not fit the header"));
  }
}

TEST_CASE("dkim: a message has one From field") {
  Mail none{"To: x\r\n", "body"};
  Mail two{"From: a@a.example\r\nfrom: b@b.example\r\n", "body"};
  CHECK(first_of(with_signature(none, {}), usual_zone()) ==
        "permerror: the message has no From field");
  CHECK(first_of(with_signature(two, {}), usual_zone()) ==
        "permerror: the message has several From fields");
}

TEST_CASE("dkim: a signature of a part of the body is a matter of policy") {
  Mail mail = plain_mail();
  struct Case {
    std::string_view length;
    std::string_view strict;
    std::string_view lax;
  };
  // The relaxed form of the body has 19 octets.
  for (auto [length, strict, lax] :
       {Case{"0", "policy: it signs only a part of the body", "pass"},
        Case{"18", "policy: it signs only a part of the body", "pass"}, Case{"19", "pass", "pass"},
        Case{"20", "fail: the body is shorter than its l= says",
             "fail: the body is shorter than its l= says"}}) {
    CAPTURE(length);
    Shape shape;
    shape.tags["l"] = length;
    CHECK(first_of(with_signature(mail, shape), usual_zone()) == strict);
    CHECK(first_of(with_signature(mail, shape), usual_zone(), {true}) == lax);
  }
  Shape shape;
  shape.tags["l"] = "19";
  Mail longer = with_signature(mail, shape);
  longer.body += "more";
  CHECK(first_of(longer, usual_zone()) == "policy: it signs only a part of the body");
  CHECK(first_of(longer, usual_zone(), {true}) == "pass");
}

TEST_CASE("dkim: five signatures are looked at, those of the author's domain first") {
  Mail mail = plain_mail();
  Shape ours;
  mail.header = signature_of(mail, ours) + mail.header;
  for (int i = 0; i < 6; ++i) {
    Shape other;
    other.tags["d"] = fmt::format("d{}.example", i);
    mail.header = signature_of(plain_mail(), other) + mail.header;
  }
  Zone zone = usual_zone();
  for (int i = 0; i < 6; ++i)
    zone[fmt::format("sel._domainkey.d{}.example", i)] = {record_of(ed25519())};
  auto results = verified(mail, zone);
  REQUIRE(results.size() == 7);
  for (std::size_t i = 0; i < 4; ++i) CHECK(results[i].verdict == Verdict::pass);
  for (std::size_t i = 4; i < 6; ++i) {
    CHECK(results[i].verdict == Verdict::neutral);
    CHECK(results[i].reason == "not looked at: there are too many signatures");
  }
  CHECK(results[6].verdict == Verdict::pass);
  CHECK(results[6].domain == "a.example");
}

TEST_CASE("dkim: signatures beyond all measure are counted") {
  Mail mail = plain_mail();
  std::string one = signature_of(mail, {});
  for (int i = 0; i < 30; ++i) mail.header = one + mail.header;
  DkimVerify verify(mail.header, "a.example", kNow);
  CHECK(verify.results().size() == kSignaturesRead);
  CHECK(verify.not_read() == 10);
  CHECK(verify.take_questions().size() == 1);
}

TEST_CASE("dkim: each key is asked for once, and answers come when they come") {
  Mail mail = plain_mail();
  Shape second = rsa_shape();
  std::string header =
      signature_of(mail, {}) + signature_of(mail, second) + signature_of(mail, {}) + mail.header;
  for (bool body_first : {true, false}) {
    DkimVerify verify(header, "", kNow);
    auto questions = verify.take_questions();
    REQUIRE(questions.size() == 2);
    CHECK(questions[0] == DnsQuestion{Ask::text, "sel._domainkey.a.example"});
    CHECK(questions[1] == DnsQuestion{Ask::text, "rsa._domainkey.a.example"});
    CHECK(verify.take_questions().empty());
    auto body = [&] {
      verify.body(mail.body);
      verify.end_body();
    };
    if (body_first) body();
    verify.answer(7, {});
    verify.answer(1, answer_of(usual_zone(), questions[1].name));
    CHECK_FALSE(verify.done());
    verify.answer(1, {dns::AnswerStatus::no_such_name});
    verify.answer(0, answer_of(usual_zone(), questions[0].name));
    if (!body_first) CHECK_FALSE(verify.done());
    if (!body_first) body();
    REQUIRE(verify.done());
    verify.answer(0, {});
    for (const SignatureResult& one : verify.results()) CHECK(one.verdict == Verdict::pass);
  }
}

TEST_CASE("dkim: without a signature that can be looked at nothing is asked") {
  for (std::string header :
       {"", "From: a@a.example\r\n", "DKIM-Signature: v=2\r\nFrom: a@a.example\r\n",
        "DKIM-Signature:\r\nFrom: a@a.example\r\n"}) {
    DkimVerify verify(header, "a.example", kNow);
    CHECK(verify.done());
    CHECK(verify.take_questions().empty());
    verify.body("x");
    verify.end_body();
    verify.answer(0, {});
    CHECK(verify.done());
  }
}

TEST_CASE("dkim: internationalized domains are A-labels in the DNS") {
  Shape shape;
  shape.tags["d"] =
      "b\xc3\xbc"
      "cher.example";
  shape.tags["i"] = "\xc3\xa4@xn--bcher-kva.example";
  Mail mail = with_signature(plain_mail(), shape);
  CHECK(first_of(mail, {{"sel._domainkey.xn--bcher-kva.example", {record_of(ed25519())}}}) ==
        "pass");
}

TEST_CASE("dkim: a signature may sign another one, and never itself") {
  Mail mail = plain_mail();
  mail.header = signature_of(mail, {}) + mail.header;
  Shape outer;
  outer.tags["h"] = "From:DKIM-Signature:DKIM-Signature";
  mail.header = signature_of(mail, outer) + mail.header;
  auto results = verified(mail, usual_zone());
  REQUIRE(results.size() == 2);
  CHECK(results[0].verdict == Verdict::pass);
  CHECK(results[1].verdict == Verdict::pass);
}
