// Our client engine talks to our server engine over a wire that cuts anywhere. Both must agree on
// which recipients were accepted, and the content must arrive unchanged.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "common/smtp/server/server_engine.h"
#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

// The server's host: decides by the address ("no…" refused, "later…" deferred) and by the content.
class Host {
 public:
  explicit Host(const Dialect& dialect) : engine_(options(dialect)) { engine_.begin(); }

  std::string hear(std::string_view bytes) {
    engine_.receive(bytes);
    for (;;) {
      Event event = engine_.next(content_);
      if (event.kind == EventKind::need_more || event.kind == EventKind::close) break;
      answer(event.kind);
    }
    return std::exchange(engine_.output(), {});
  }
  std::string greeting() { return std::exchange(engine_.output(), {}); }

  struct Received {
    std::vector<std::string> recipients;
    std::string content;
    mail::Envelope envelope;
  };
  std::vector<Received> received;

 private:
  static ServerOptions options(const Dialect& dialect) {
    ServerOptions out;
    out.dialect = dialect;
    out.hostname = "server.example";
    out.errors = 1000;  // refusals are the point here
    return out;
  }
  void answer(EventKind kind) {
    switch (kind) {
      case EventKind::mail:
        content_.clear();
        return engine_.answer(
            {engine_.mail().envelope.reverse_path.local() == "no" ? 550 : 250, {}, "x"});
      case EventKind::rcpt: {
        std::string_view local = engine_.rcpt().address.local();
        int code = local.substr(0, 2) == "no" ? 550 : local.substr(0, 5) == "later" ? 450 : 250;
        return engine_.answer({code, {}, "x"});
      }
      case EventKind::data:
        return engine_.answer({354, {}, "go"});
      case EventKind::content_end: {
        Received r;
        for (const mail::Recipient& to : engine_.envelope().recipients)
          r.recipients.push_back(to.address.text());
        r.content = content_;
        r.envelope = engine_.envelope();
        received.push_back(std::move(r));
        return engine_.answer({250, {2, 0, 0}, "done"});
      }
      case EventKind::hello:
        return engine_.answer({250, {}, "server.example"});
      default:
        return;
    }
  }

  ServerEngine engine_;
  std::string content_;
};

struct Expected {
  std::vector<std::string> recipients;
  std::string content;
  mail::Envelope envelope;
};

}  // namespace

TEST_CASE("client and server engine agree, whatever the wire does") {
  const char* addresses[] = {"a@y", "b@y", "no1@y", "later1@y", "c@y", "no2@y"};
  for (unsigned seed = 1; seed <= 120; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const Dialect& dialect = seed % 2 == 0 ? kSmtp : kLmtp;
    Host host(dialect);
    ClientOptions options;
    options.dialect = &dialect;
    if (seed % 3 == 0) options.avoid.add(mail::Ability::chunking);
    Client client(options, seed % 5 == 0 ? Cuts::bytes : Cuts::random);
    client.hear(host.greeting());

    std::vector<std::unique_ptr<Message>> messages;
    std::vector<Expected> want;
    std::size_t delivered = 0;
    for (unsigned m = 0; m < 8; ++m) {
      std::vector<std::string> to;
      for (unsigned i = 0; i < 1 + random() % 4; ++i) to.push_back(addresses[random() % 6]);
      std::string content;
      for (unsigned i = 0; i < random() % 6; ++i)
        content += random() % 3 == 0 ? ".\r\n" : ".. line\r\n";
      if (content.empty()) content = "x\r\n";
      bool refused = random() % 8 == 0;
      messages.push_back(std::make_unique<Message>(refused ? "no@x" : "s@x", to, content));
      mail::Envelope& envelope = messages.back()->envelope;
      constexpr const char* kEnvids[] = {"", "id+1 =", "\\x{FC}", "+2B"};
      envelope.envid = kEnvids[random() % 4];
      envelope.ret = static_cast<mail::DsnReturn>(random() % 3);
      envelope.smtputf8 = random() % 2 == 0;
      if (random() % 2 == 0) envelope.body = mail::BodyType::eight_bit_mime;
      for (mail::Recipient& recipient : messages.back()->recipients) {
        constexpr std::uint8_t kNotify[] = {mail::Notify::unspecified, mail::Notify::never,
                                            mail::Notify::success | mail::Notify::delay,
                                            mail::Notify::failure};
        constexpr const char* kOrcpt[] = {"", "rfc822;a+b=c@y", "utf-8;j\xC3\xB8@y"};
        recipient.notify.bits = kNotify[random() % 4];
        recipient.orcpt = kOrcpt[random() % 3];
      }
      Expected expected{{}, content, envelope};
      for (const mail::Recipient& recipient : messages.back()->recipients)
        if (recipient.address.text().size() == 3) expected.envelope.recipients.push_back(recipient);
      for (const std::string& address : to)
        if (address.size() == 3 && !refused) expected.recipients.push_back(address);
      delivered += expected.recipients.size();
      if (!expected.recipients.empty()) want.push_back(std::move(expected));
      client.queue.push_back(messages.back()->transaction(m));
    }
    client.pump();
    for (int round = 0; round < 100000; ++round) {
      std::string out = client.sent();
      if (out.empty()) break;
      std::string back;
      while (!out.empty()) {
        std::size_t size = 1 + random() % out.size();
        back += host.hear(out.substr(0, size));
        out.erase(0, size);
      }
      client.hear(back);
    }
    REQUIRE(client.engine.idle());
    Events events = client.happened();
    CHECK(std::count_if(events.begin(), events.end(),
                        [](const std::string& e) { return e.find("finished") == 0; }) == 8);
    std::size_t got = 0;
    for (const mail::Outcome& o : client.outcomes)
      got += o.disposition == mail::Disposition::delivered ? 1 : 0;
    CHECK(got == delivered);
    REQUIRE(host.received.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      CHECK(host.received[i].recipients == want[i].recipients);
      CHECK(host.received[i].content == want[i].content);
      const mail::Envelope& got_envelope = host.received[i].envelope;
      CHECK(got_envelope.envid == want[i].envelope.envid);
      CHECK(got_envelope.ret == want[i].envelope.ret);
      CHECK(got_envelope.smtputf8 == want[i].envelope.smtputf8);
      CHECK(got_envelope.body == want[i].envelope.body);
      CHECK(got_envelope.recipients == want[i].envelope.recipients);
    }
  }
}
