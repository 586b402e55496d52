// Which keys, which form, and what is signed.
#include <random>

#include "common/agent/signing/signing_work.h"
#include "common/authentication/dkim/sign.h"
#include "tests/unit/agent/signing_rig.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using ipc::SigningAlgorithm;

namespace {

std::shared_ptr<const KeyChoice> choice(std::vector<ipc::SignerKey> keys = both_keys()) {
  return std::make_shared<const KeyChoice>(7, keys);
}

SigningPass passed(std::string_view content, SigningFacts facts = {}) {
  if (!is_ascii(content)) facts.eight_bit = true;
  facts.time = from_unix_ms(1'799'999'000'000);
  return SigningWork::through(content, facts, choice());
}

// As it would leave.
std::string signed_mail(std::string_view content, SigningPass& pass) {
  std::string out;
  for (std::size_t i = 0; i < pass.drafts().size(); ++i) {
    bool is_rsa = pass.keys()[i].facts.algorithm == dkim::Algorithm::rsa_sha256;
    const auto& key = is_rsa ? dkim::test::rsa() : dkim::test::ed25519();
    out += dkim::finished_field(pass.drafts()[i], *key.sign_digest(pass.drafts()[i].hash));
  }
  return out + (pass.form().changes_nothing() ? std::string(content) : pass.take_output());
}

const std::string kFrom = "From: Ann <ann@a.example>\r\n";

}  // namespace

TEST_CASE("signing: keys of a domain, or of the nearest above it") {
  constexpr auto kRsa = SigningAlgorithm::rsa_sha256;
  constexpr auto kEd = SigningAlgorithm::ed25519_sha256;
  auto keys = choice({{"example.org", "e", kEd, true},
                      {"example.org", "r", kRsa, true},
                      {"example.org", "own", kRsa, false},
                      {"sub.example.org", "s", kRsa, false},
                      {"org", "o", kRsa, true}});
  const struct {
    const char* domain;
    const char* want;
  } rows[] = {
      {"example.org", "1:r 2:own 0:e"},
      {"a.example.org", "1:r 0:e"},
      {"a.b.c.example.org", "1:r 0:e"},
      {"sub.example.org", "3:s"},
      {"x.sub.example.org", "1:r 0:e"},  // that of sub.example.org is for nobody below
      {"example.net", ""},
      {"other.org", "4:o"},
      {"notexample.org", "4:o"},
      {"org", "4:o"},
      {"", ""},
      {".", ""},
      {"..example.org", "1:r 0:e"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.domain);
    std::string found;
    for (const auto& one : keys->of_author(row.domain))
      found += (found.empty() ? "" : " ") + std::to_string(one.number) + ":" + one.facts.selector;
    CHECK(found == row.want);
  }
  std::vector<ipc::SignerKey> many(ipc::kSignaturesMax + 5, {"a.example", "s", kRsa, true});
  CHECK(choice(many)->of_author("a.example").size() == ipc::kSignaturesMax);
  CHECK(choice({})->of_author("a.example").empty());
  CHECK(record_name({"a.example", "s", dkim::Algorithm::rsa_sha256}) == "s._domainkey.a.example");
}

TEST_CASE("signing: attempts within an hour have the same time") {
  const WallTime came = from_unix_ms(1'795'000'123'456);
  auto after = [&](auto later) { return signature_time(came, came + later) - came; };
  CHECK(after(Duration(0)) == Duration(0));
  CHECK(after(std::chrono::minutes(59)) == Duration(0));
  CHECK(after(std::chrono::minutes(60)) == std::chrono::hours(1));
  CHECK(after(std::chrono::hours(100) + std::chrono::minutes(3)) == std::chrono::hours(100));
  CHECK(after(-std::chrono::hours(2)) == Duration(0));  // the clock was set back
}

TEST_CASE("signing: what is not signed, and why") {
  const struct {
    std::string content;
    const char* why;
    bool is_signed;
  } rows[] = {
      {kFrom + "\r\nx\r\n", "", true},
      {kFrom, "", true},
      {"From: ann@a.example", "", true},
      {"Subject: x\r\n" + kFrom + "\r\n", "", true},
      {"from : ann@sub.a.example\r\n\r\n", "", true},
      {"From: ann@b.example\r\n\r\nx\r\n", "", false},  // not a word: it is the usual case
      {"Subject: x\r\n\r\nx\r\n", "it has no author domain", false},
      {"", "it has no author domain", false},
      {"\r\nFrom: ann@a.example\r\n", "it has no author domain", false},
      {kFrom + kFrom + "\r\n", "it has several author domains", false},
      {"From: a@a.example, b@b.example\r\n\r\n", "it has several author domains", false},
      {"From: a@a.example, b@a.example\r\n\r\n", "", true},
      {"From: <<\r\n\r\n", "it has a From field that cannot be parsed", false},
      {kFrom + "no field\r\n\r\nx\r\n", "no empty line ends its header section", false},
      {"From ann Mon Jan 1\r\n" + kFrom + "\r\n", "it begins with no field", false},
      {kFrom + "X: " + std::string(kSignedHeaderMax, 'x'), "its header section is too large",
       false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.content.substr(0, 100));
    SigningPass pass = passed(row.content);
    CHECK(pass.why_not() == row.why);
    CHECK(pass.drafts().size() == (row.is_signed ? 2 : 0));
    if (row.is_signed) CHECK(verdicts_of(signed_mail(row.content, pass)) == "rsa:pass sel:pass");
  }
}

TEST_CASE("signing: the form in which a message leaves") {
  const std::string long_line(999, 'x');
  const std::string just_fits(998, 'x');
  const std::string mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
  const std::string inner =
      "Content-Type: Multipart/Signed;\r\n protocol=\"application/pgp-signature\"; boundary=b\r\n";
  struct Row {
    const char* what;
    std::string content;
    bool converted;
    bool eight_bit = false;
    bool smtputf8 = false;
    bool binary = false;
  };
  const Row rows[] = {
      {"plain", kFrom + "\r\nx\r\n", false},
      {"8-bit body", kFrom + "\r\n\xc3\xa4\r\n", true},
      {"8-bit field", kFrom + "Subject: \xc3\xa4\r\n\r\nx\r\n", true},
      {"8-bit field, SMTPUTF8", kFrom + "Subject: \xc3\xa4\r\n\r\nx\r\n", false, true, true},
      {"both, SMTPUTF8", kFrom + "Subject: \xc3\xa4\r\n\r\n\xc3\xa4\r\n", true, true, true},
      {"8-bit body, SMTPUTF8", kFrom + "\r\n\xc3\xa4\r\n", true, false, true},
      {"no UTF-8, SMTPUTF8", kFrom + "Subject: \xe4\r\n\r\n\xe4\r\n", true, false, true},
      {"long line", kFrom + "\r\n" + long_line + "\r\nx", true},
      {"line that fits", kFrom + "\r\n" + just_fits + "\r\nx\r\n", false},
      {"long field", kFrom + "X: " + long_line + "\r\n\r\nx\r\n", false},
      {"long line in a part", kFrom + mixed + long_line + "\r\n--b--\r\n", true},
      {"long line, signed within", kFrom + inner + "\r\n--b\r\n\r\n" + long_line + "\r\n", false},
      {"8-bit, signed within", kFrom + inner + "\r\n--b\r\n\r\n\xe4\r\n--b--\r\n", true},
      {"no line end, after a blank", kFrom + "\r\na\r\nb ", false},
      {"binary", kFrom + "\r\na\nb\rc", true, false, false, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SigningFacts facts;
    facts.smtputf8 = row.smtputf8;
    facts.binary = row.binary;
    SigningPass pass = passed(row.content, facts);
    CHECK(pass.form().seven_bit == row.converted);
    CHECK(pass.eight_bit() == row.eight_bit);
    std::uint64_t size = pass.size();
    std::string leaves = signed_mail(row.content, pass);
    CHECK(verdicts_of(leaves) == "rsa:pass sel:pass");
    std::size_t fields = leaves.find("From: Ann");
    CHECK(leaves.size() - fields == size);
    CHECK(leaves.ends_with("\r\n"));
    CHECK(is_ascii(leaves) == !row.eight_bit);
    if (row.smtputf8 && row.eight_bit) CHECK(leaves.find("Subject: \xc3\xa4") != std::string::npos);
    // In its new form nobody needs to touch it.
    std::size_t from = 0;
    mail::HeaderEnd end = mail::find_header_end(leaves, from, true);
    LineLook look;
    look.take(std::string_view(leaves).substr(end.body));
    CHECK_FALSE(look.eight_bit());
    CHECK(look.long_line() == (std::string_view(row.what) == "long line, signed within"));
  }
}

TEST_CASE("signing: lines are measured however they are cut") {
  for (std::size_t length : {997U, 998U, 999U, 5000U}) {
    std::string text = "a\r\n" + std::string(length, 'x') + "\r\nb\r\n";
    for (std::size_t step : {1U, 7U, 998U, 1000U, 100000U}) {
      LineLook look;
      for (std::size_t at = 0; at < text.size(); at += step)
        look.take(std::string_view(text).substr(at, step));
      CAPTURE(length, step);
      CHECK(look.long_line() == (length > 998));
    }
  }
}

TEST_CASE("signing: the same whatever pieces the content comes in") {
  std::mt19937 random(1);
  const std::string bodies[] = {
      kFrom + "\r\n" + std::string(3000, 'y') + "\r\n.\r\nx",
      kFrom + "Content-Type: text/plain\r\nSubject: \xe4\r\n\r\n\xc3\xa4" + std::string(5000, '=') +
          "\r\n \r\n",
      kFrom + "Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\n\xe4\r\n--q\r\n" +
          "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
          std::string(9000, '\xff') + "\r\n--q--\r\nend\r\n",
  };
  const mail::FieldChanges changes{{"subject"}, "X-New: 1\r\n"};
  for (const std::string& content : bodies)
    for (const mail::FieldChanges* change :
         {static_cast<const mail::FieldChanges*>(nullptr), &changes}) {
      SigningFacts facts;
      facts.changes = change;
      facts.eight_bit = !is_ascii(content);
      SigningPass whole = SigningWork::through(content, facts, choice());
      REQUIRE(whole.drafts().size() == 2);
      std::string want = whole.take_output();
      for (int i = 0; i < 20; ++i) {
        SigningPass pass(facts, choice(), true);
        std::size_t at = 0;
        SigningPass::Next next = SigningPass::Next::more;
        while (next != SigningPass::Next::done) {
          std::size_t step = 1 + random() % 4000;
          auto piece = std::string_view(content).substr(at, step);
          at += piece.size();
          next = piece.empty() ? pass.finish() : pass.take(piece);
          if (next == SigningPass::Next::again) at = 0;
        }
        REQUIRE(pass.drafts().size() == 2);
        CHECK(pass.drafts()[0].hash == whole.drafts()[0].hash);
        CHECK(pass.size() == whole.size());
        CHECK(pass.take_output() == want);
        // And so does what is sent.
        ContentForm form(pass.form());
        std::string sent;
        for (std::size_t from = 0; from < content.size();) {
          std::size_t step = 1 + random() % 4000;
          form.take(std::string_view(content).substr(from, step), sent);
          from += step;
        }
        form.finish(sent);
        if (!pass.form().changes_nothing()) CHECK(sent == want);
        CHECK(sent.size() == pass.size());
      }
    }
}
