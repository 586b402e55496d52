// Strangers' mail that is passed on gets an ARC seal (RFC 8617), and nothing else of it changes.
#include "common/agent/signing/signing_work.h"
#include "common/authentication/arc/arc_verify.h"
#include "tests/unit/agent/signing_rig.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using authentication::arc::ArcVerify;

namespace {

const SealRules kRules{"mx.a.example", "a.example"};

// Sealed to its end, in one piece or octet by octet; empty with why_not.
std::string sealed(const std::string& content, std::string& why_not,
                   std::vector<ipc::SignerKey> keys = both_keys()) {
  SigningFacts facts;
  facts.seal = &kRules;
  facts.eight_bit = !is_ascii(content);
  facts.time = from_unix_ms(1'799'999'000'000);
  auto choice = std::make_shared<const KeyChoice>(1, keys);
  SigningPass pass = SigningWork::through(content, facts, choice);
  why_not = pass.why_not();
  CHECK(pass.is_chain_broken() == (content.find("arc=fail") != std::string::npos));
  if (pass.drafts().empty()) {
    CHECK(pass.instance() == 0);
    return {};
  }
  CHECK(pass.form().changes_nothing());
  int rounds = 0;
  for (bool done = false; !done; ++rounds) {
    REQUIRE(pass.drafts().size() == 1);
    CHECK(pass.keys().front().facts.selector == "rsa");
    done = pass.take_signatures({*dkim::test::rsa().sign_digest(pass.drafts().front().hash)});
  }
  CHECK(rounds == 2);
  CHECK(pass.fields().starts_with("ARC-Seal: i=" + std::to_string(pass.instance()) + ";"));
  return pass.fields() + content;
}

std::string chain_of(const std::string& content) {
  std::size_t from = 0;
  mail::HeaderEnd end = mail::find_header_end(content, from, true);
  ArcVerify verify(content.substr(0, end.header));
  auto questions = verify.take_questions();
  for (std::size_t i = 0; i < questions.size(); ++i)
    verify.answer(i, dkim::test::answer_of(dkim::test::usual_zone(), questions[i].name));
  verify.body(std::string_view(content).substr(end.body));
  verify.end_body();
  REQUIRE(verify.done());
  return std::string(name_of(verify.result().verdict)) + " " +
         std::to_string(verify.result().sets) + " " + verify.result().reason;
}

std::string with_results(const std::string& arc, const std::string& body = "Hello\r\n") {
  return "Received: by mx.a.example; now\r\n"
         "Authentication-Results: mx.a.example;\r\n spf=pass smtp.mailfrom=b.example;\r\n"
         " arc=" +
         arc +
         "\r\n"
         "From: Eve <eve@b.example>\r\nSubject: x\r\n\r\n" +
         body;
}

}  // namespace

TEST_CASE("sealing: what we have found stands in the seal, and the chain is whole") {
  std::string why;
  std::string once = sealed(with_results("none"), why);
  CHECK(why == "");
  CHECK(once.starts_with("ARC-Seal: i=1; a=rsa-sha256; d=a.example; s=rsa;"));
  CHECK(once.find("ARC-Authentication-Results: i=1; mx.a.example;\r\n spf=pass") !=
        std::string::npos);
  CHECK(once.find("cv=none") != std::string::npos);
  CHECK(chain_of(once) == "pass 1 ");
  // At the next of us: what it found is its own field, and it adds a set.
  std::string again = once;
  again.replace(again.find("arc=none\r\nFrom"), 8, "arc=pass");
  again = sealed(again, why);
  CHECK(why == "");
  CHECK(again.find("cv=pass") != std::string::npos);
}

TEST_CASE("sealing: octets above 127 and long lines stay as they are") {
  std::string why;
  for (const std::string& body :
       {std::string("\xc3\xa4\r\n"), std::string(2000, 'x') + "\r\n", std::string()}) {
    std::string out = sealed(with_results("none", body), why);
    CHECK(why == "");
    CHECK(chain_of(out) == "pass 1 ");
  }
}

TEST_CASE("sealing: nothing is sealed that we have not found ourselves") {
  std::string why;
  CHECK(sealed("From: e@b.example\r\n\r\nx\r\n", why).empty());
  CHECK(why == "it has no results of ours that could be sealed");
  CHECK(sealed("Authentication-Results: mx.b.example; spf=pass\r\nFrom: e@b.example\r\n\r\n", why)
            .empty());
  CHECK(why != "");
  // Two that claim to be ours: one of them is forged.
  CHECK(sealed("Authentication-Results: mx.a.example; spf=pass\r\n" + with_results("none"), why)
            .empty());
  CHECK(why != "");
  // A broken chain is left as it is.
  CHECK(sealed(with_results("fail"), why).empty());
  CHECK(why == "");
  CHECK(sealed(with_results("none"), why,
               {{"c.example", "rsa", ipc::SigningAlgorithm::rsa_sha256, true}})
            .empty());
  CHECK(why == "no RSA key of a.example signs");
}
