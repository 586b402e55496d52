// Attempts that are signed before they are sent: over the wire, from a signer that is slow, away,
// or never comes.
#include <csignal>
#include <random>

#include "common/agent/signing/signing.h"
#include "common/config/config.h"
#include "tests/unit/agent/agent_harness.h"
#include "tests/unit/agent/signing_rig.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using namespace std::chrono_literals;

namespace {

const std::string kMail = "From: ann@a.example\r\nSubject: x\r\n\r\nhello\r\n";
const std::string kBoth = "rsa:pass sel:pass";

struct SigningWorld : World {
  explicit SigningWorld(Duration wait = kSignerWaitMax)
      : World(
            smtp::kSmtp, [](net::Loop& l) { return std::make_unique<FakeSigner>(l); }, wait) {}
  FakeSigner& keys() { return static_cast<FakeSigner&>(*signer); }

  ipc::Lease to_sign(std::string_view content) {
    ipc::Lease out = lease({"b@b.example"}, content);
    out.sign = true;
    out.envelope.sign = mail::Signing::dkim;
    out.eight_bit = !is_ascii(content);
    if (out.eight_bit) out.envelope.body = mail::BodyType::eight_bit_mime;
    return out;
  }
  // Sent as it is, or lent in a file with so many octets before it.
  std::uint64_t give_to_sign(const std::string& content, std::optional<std::size_t> apart = {}) {
    ipc::Lease one = to_sign(content);
    if (apart) {
      one.inlined = false;
      one.content = {};
      qmgr.content = content;
      qmgr.before_file = *apart;
    }
    qmgr.send(one);
    return one.lease;
  }
  void until_done(std::uint64_t lease) {
    until([&] { return done(lease); });
  }
  // What qmgr was told of the keys.
  std::string signing(std::uint64_t lease) { return qmgr.answers.at(lease).signing; }
  // Of what came last.
  std::string verdicts() { return verdicts_of(server.messages.back()); }
  std::string last_mail_command() {
    for (auto line = server.lines.rbegin(); line != server.lines.rend(); ++line)
      if (line->starts_with("MAIL")) return *line;
    return {};
  }
};

}  // namespace

TEST_CASE("signing: what leaves carries our signatures, RSA on top") {
  SigningWorld w;
  auto lease = w.give_to_sign(kMail);
  w.until_done(lease);
  CHECK(w.text(lease) == "delivered final_reply nobody");
  const std::string& sent = w.server.messages.at(0);
  CHECK(w.verdicts() == kBoth);
  CHECK(sent.starts_with("DKIM-Signature: v=1; a=rsa-sha256;"));
  CHECK(sent.ends_with(kMail));
  CHECK(w.signing(lease) == "signed rsa-sha256:rsa:a.example ed25519-sha256:sel:a.example");
}

TEST_CASE("signing: what is not ours to sign leaves as it came, and asks nobody") {
  SigningWorld w;
  w.keys().here = false;  // who asked would wait
  for (int which = 0; which < 3; ++which) {
    CAPTURE(which);
    ipc::Lease one = w.to_sign(kMail);
    if (which == 0) one.sign = false;
    if (which == 1) one.envelope.sign = mail::Signing::none;
    if (which == 2) one.probe = true;
    w.qmgr.send(one);
    w.until_done(one.lease);
    CHECK(w.outcome(one.lease).disposition == mail::Disposition::delivered);
    CHECK(w.signing(one.lease).empty());
    if (which < 2) CHECK(w.server.messages.back() == kMail);
  }
  CHECK(w.keys().asked.empty());
}

TEST_CASE("signing: without a key for its author, or without an author, it leaves unsigned") {
  SigningWorld w;
  for (std::string content : {"From: ann@b.example\r\n\r\nx\r\n", "Subject: x\r\n\r\nx\r\n"}) {
    auto lease = w.give_to_sign(content);
    w.until_done(lease);
    CHECK(w.server.messages.back() == content);
    CHECK(w.signing(lease) == (content.starts_with("From") ? "no_key" : "unfit"));
    for (std::size_t apart : {0U, 7U}) {
      lease = w.give_to_sign(content, apart);
      w.until_done(lease);
      CHECK(w.server.messages.back() == content);
    }
  }
  CHECK(w.keys().asked.empty());
}

TEST_CASE("signing: every shape of body verifies as it comes over the wire") {
  std::string big(200'000, 'x');
  for (std::size_t i = 70; i < big.size(); i += 72) big.replace(i, 2, "\r\n");
  std::string many = "From: ann@a.example\r\n\r\n";
  while (many.size() < (5U << 20)) many += big.substr(0, 72'000);
  const std::string header = "From: ann@a.example\r\nSubject: x\r\n";
  const std::string mixed =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\n\xc3\xa4\r\n--b\r\n"
      "Content-Type: image/png\r\nContent-Transfer-Encoding: "
      "base64\r\n\r\nAAAA\r\n--b--\r\nend\r\n";
  std::vector<std::string> contents = {
      header,
      header + "\r\n",
      header + "\r\nno end",
      header + "\r\n\r\n\r\n\r\n",
      header + "\r\n.\r\n..\r\n.x\r\n.",
      header + "\r\n \t \r\na  b \r\n",
      header + "\r\n\xe4\xf6\r\n",
      header + "Subject: \xc3\xa4\r\n\r\n\xc3\xa4\r\n",
      header + mixed,
      header + "\r\n" + std::string(5000, 'y') + "\r\nz\r\n",
      header + "Content-Transfer-Encoding: base64\r\n\r\n" + std::string(4000, 'Q') + "\r\n",
      header + "\r\n" + big.substr(0, ipc::kInlineContentMax - header.size() - 2),
      header + "\r\n" + big.substr(0, ipc::kInlineContentMax - header.size() - 1),
      header + "\r\n" + big + "\xe4 and 8 bits\r\n",
      header + "\r\n" + big + std::string(2000, 'l') + "\r\n",
      many,
  };
  const std::vector<std::string> extensions = {
      "250-there\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n",
      "250 there\r\n",
  };
  for (const std::string& extension : extensions) {
    SigningWorld w;
    w.server.extensions = extension;
    for (const std::string& content : contents) {
      CAPTURE(extension, content.substr(0, 100), content.size());
      bool small = content.size() <= ipc::kInlineContentMax;
      std::vector<std::optional<std::size_t>> ways = {0, content.find("\r\n") + 2,
                                                      std::min<std::size_t>(content.size(), 200)};
      if (small) ways.push_back(std::nullopt);
      for (const auto& way : ways) {
        auto lease = w.give_to_sign(content, way);
        w.until_done(lease);
        REQUIRE(w.text(lease) == "delivered final_reply nobody");
        CHECK(w.verdicts() == kBoth);
        CHECK(is_ascii(w.server.messages.back()));
        CHECK(w.last_mail_command().find("8BITMIME") == std::string::npos);
      }
    }
  }
}

TEST_CASE("signing: a route's fields are part of what is signed") {
  SigningWorld w;
  for (bool inlined : {true, false}) {
    ipc::Lease one = w.to_sign(kMail);
    one.fields = {{"Subject"}, "X-Ours: \r\nSubject: other\r\n"};
    one.inlined = inlined;
    if (!inlined) one.content = {};
    w.qmgr.content = kMail;
    w.qmgr.send(one);
    w.until_done(one.lease);
    CHECK(w.verdicts() == kBoth);
    CHECK(w.server.messages.back().ends_with(
        "X-Ours: \r\nSubject: other\r\nFrom: ann@a.example\r\n\r\nhello\r\n"));
  }
}

TEST_CASE("signing: SIZE is that of what is sent") {
  SigningWorld w;
  w.server.extensions = "250-there\r\n250 SIZE\r\n";
  for (std::optional<std::size_t> way :
       {std::optional<std::size_t>(), std::optional<std::size_t>(5)})
    for (std::string more : {"x\r\n", "\xe4\r\n"}) {
      auto lease = w.give_to_sign(kMail + more, way);
      w.until_done(lease);
      CHECK(w.last_mail_command().find(
                " SIZE=" + std::to_string(w.server.messages.back().size())) != std::string::npos);
    }
}

TEST_CASE("signing: another host is asked without another signature") {
  SigningWorld w;
  Server second(w.loop, false);
  w.hosts.hosts.candidates.push_back({"second.example", second.endpoint()});
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    return line == "DATA" ? "451 4.3.0 not now\r\n" : "";
  };
  for (std::optional<std::size_t> way :
       {std::optional<std::size_t>(), std::optional<std::size_t>(5)}) {
    auto lease = w.give_to_sign(kMail, way);
    w.until_done(lease);
    CHECK(w.outcome(lease).remote_host == "second.example");
    REQUIRE_FALSE(second.messages.empty());
    CHECK(verdicts_of(second.messages.back()) == kBoth);
  }
  CHECK(w.keys().asked.size() == 2);
}

TEST_CASE("signing: attempts of one message ask for the same hashes") {
  SigningWorld w;
  auto first = w.give_to_sign(kMail);
  w.until_done(first);
  w.wait(1100ms);
  ipc::Lease again = w.to_sign(kMail);
  again.received_at = wall_now() - 1200ms;
  w.qmgr.send(again);
  w.until_done(again.lease);
  ipc::Lease third = again;
  third.lease = ++w.leases;
  w.qmgr.send(third);
  w.until_done(third.lease);
  REQUIRE(w.keys().asked.size() == 3);
  CHECK(w.keys().asked[1][0].hash == w.keys().asked[2][0].hash);
}

TEST_CASE("signing: a signer that comes late is waited for") {
  SigningWorld w;
  w.keys().here = false;
  auto inlined = w.give_to_sign(kMail);
  auto in_file = w.give_to_sign(kMail, 5);
  w.wait(150ms);
  CHECK(w.server.connections == 0);
  w.keys().here = true;
  w.until([&] { return w.done(inlined) && w.done(in_file); });
  for (const std::string& message : w.server.messages) CHECK(verdicts_of(message) == kBoth);
  CHECK(w.server.messages.size() == 2);
}

TEST_CASE("signing: nothing leaves unsigned because the signer is away") {
  auto way = GENERATE(std::optional<std::size_t>(), std::optional<std::size_t>(5));
  SigningWorld w(200ms);
  SECTION("it never comes") {
    w.keys().here = false;
  }
  SECTION("it never answers") {
    w.keys().answers = false;
  }
  SECTION("it always has trouble") {
    w.keys().trouble = "too much to do";
  }
  auto lease = w.give_to_sign(kMail, way);
  w.until_done(lease);
  const mail::Outcome& outcome = w.outcome(lease);
  CHECK(w.text(lease) == "deferred local local");
  CHECK(outcome.reply.enhanced.text() == "4.7.5");
  CHECK(outcome.reply.text == "the signer is away");
  CHECK(w.signing(lease) == "put_off");
  CHECK(w.server.connections == 0);
  CHECK(w.hosts.asked == 0);  // nobody was blamed, or even looked for
  CHECK(w.keys().waiting() == 0);
}

TEST_CASE("signing: while nobody signs, the next ones do not wait as long") {
  SigningWorld w(1000ms);
  w.keys().here = false;
  auto first = w.give_to_sign(kMail);
  w.until_done(first);
  MonoTime since = mono_now();
  auto second = w.give_to_sign(kMail);
  w.until_done(second);
  CHECK(mono_now() - since < 900ms);
  w.keys().here = true;
  auto third = w.give_to_sign(kMail);
  w.until_done(third);
  CHECK(w.verdicts() == kBoth);
  w.keys().here = false;
  since = mono_now();
  auto fourth = w.give_to_sign(kMail);
  w.until_done(fourth);
  CHECK(mono_now() - since >= 900ms);
}

TEST_CASE("signing: without a way to the signer it is put off") {
  World w(smtp::kSmtp, {}, 100ms);
  ipc::Lease one = w.lease({"b@b.example"}, kMail);
  one.sign = true;
  one.envelope.sign = mail::Signing::dkim;
  w.qmgr.send(one);
  w.until([&] { return w.done(one.lease); });
  CHECK(w.text(one.lease) == "deferred local local");
}

TEST_CASE("signing: passing trouble is got over, also with other keys than before") {
  auto way = GENERATE(std::optional<std::size_t>(), std::optional<std::size_t>(5));
  SigningWorld w;
  w.keys().answers = false;
  auto lease = w.give_to_sign(kMail, way);
  w.until([&] { return w.keys().waiting() == 1; });
  std::string want = kBoth;
  SECTION("trouble") {
    w.keys().trouble = "passing";
  }
  SECTION("the link broke") {
    w.keys().here = false;
  }
  SECTION("other keys") {
    w.keys().list.erase(w.keys().list.begin());
    ++w.keys().generation_now;
    want = "rsa:pass";
  }
  w.keys().answer();
  w.wait(20ms);
  CHECK(w.server.connections == 0);
  w.keys().trouble.reset();
  w.keys().here = w.keys().answers = true;
  w.until_done(lease);
  CHECK(w.text(lease) == "delivered final_reply nobody");
  CHECK(w.verdicts() == want);
}

TEST_CASE("signing: content that cannot be read puts it off") {
  for (auto serve : {Qmgr::Serve::missing, Qmgr::Serve::short_file}) {
    SigningWorld w;
    w.qmgr.serve = serve;
    auto lease = w.give_to_sign(kMail, 5);
    w.until_done(lease);
    CHECK(w.text(lease) == "deferred local local");
    CHECK(w.outcome(lease).reply.enhanced.text() == "4.3.0");
    CHECK(w.signing(lease).empty());  // the signer was there
    bool told = !w.qmgr.requests.empty() && w.qmgr.requests.back().unreadable;
    CHECK(told == (serve == Qmgr::Serve::short_file));
    CHECK(w.server.connections == 0);
  }
  SigningWorld w;
  w.qmgr.serve = Qmgr::Serve::whole;
  auto lease = w.give_to_sign(kMail, 5);
  w.until_done(lease);
  CHECK(w.verdicts() == kBoth);
}

TEST_CASE("signing: who drains gives back what waits for the signer") {
  SigningWorld w;
  w.keys().answers = false;
  auto asked = w.give_to_sign(kMail);
  w.until([&] { return w.keys().waiting() == 1; });
  w.keys().here = false;
  auto waits = w.give_to_sign(kMail);
  w.wait(20ms);
  w.agent->drain();
  w.until([&] { return w.drained; });
  for (auto lease : {asked, waits}) {
    CHECK(w.done(lease));
    CHECK(w.text(lease) == "deferred local nobody");  // as what had not begun
  }
  CHECK(w.keys().cancelled == 1);
  CHECK(w.server.connections == 0);
}

TEST_CASE("signing: when qmgr is lost, what waits for the signer is forgotten") {
  SigningWorld w;
  w.keys().answers = false;
  w.give_to_sign(kMail);
  w.give_to_sign(kMail, 5);
  w.until([&] { return w.keys().waiting() == 2; });
  w.qmgr.die();
  w.until([&] { return w.keys().cancelled == 2; });
  w.qmgr.listen();
  w.until([&] { return w.qmgr.up; });
  w.keys().answers = true;
  auto lease = w.give_to_sign(kMail);
  w.until_done(lease);
  CHECK(w.server.messages.size() == 1);
  CHECK(w.qmgr.late.empty());
}

TEST_CASE("signing: an agent may end whatever it waits for") {
  ::signal(SIGPIPE, SIG_IGN);  // its qmgr goes on writing
  for (int which = 0; which < 3; ++which) {
    SigningWorld w;
    w.keys().answers = which != 0;
    w.keys().here = which != 1;
    w.give_to_sign(kMail);
    w.give_to_sign(kMail + std::string(1U << 20, '\n'), 5);
    w.wait(which == 2 ? 0ms : 30ms);
    w.agent.reset();
    CHECK(w.keys().waiting() == 0);
  }
}

TEST_CASE("signing: many at once, each with its own signature") {
  SigningWorld w;
  std::mt19937 random(3);
  std::vector<std::uint64_t> leases;
  for (int i = 0; i < 200; ++i) {
    std::string content = "From: ann@a.example\r\nSubject: " + std::to_string(i) + "\r\n\r\n" +
                          std::string(random() % 3000, 'x') + "\r\n";
    leases.push_back(w.give_to_sign(content));
  }
  w.until([&] {
    return std::all_of(leases.begin(), leases.end(), [&](auto one) { return w.done(one); });
  });
  REQUIRE(w.server.messages.size() == 200);
  for (const std::string& message : w.server.messages) CHECK(verdicts_of(message) == kBoth);
}
