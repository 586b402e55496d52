// Under which sender mail goes on when an address of ours leads elsewhere.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/config/load/bundle.h"
#include "qmgr/routing/expansion.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using mail::Notify;

namespace {

const WallTime kForwardedAt = from_unix_ms(1'700'000'000'000);

config::Config forwarding_config(const std::string& more = {}) {
  config::Loaded loaded = config::parse(config::Bundle{
      "t.toml",
      {{"t.toml",
        "hostname = \"mx.test\"\n[[domain]]\nname = [\"our.test\", \".sub.test\"]\n"
        "[addresses]\nvirtual = \"virtual\"\naliases = \"aliases\"\nsender_canonical = "
        "\"senders\"\n"
        "recipient_bcc = \"copies\"\n"
        "[[route]]\nmatch = \"store.test\"\ndeliver = \"lmtp:127.0.0.1:24\"\n"
        "[srs]\ndomain = \"srs.test\"\nsecrets = [\"file:secret\"]\n" +
            more},
       {"virtual",
        "out@our.test one@far.test\nboth@our.test anna@our.test, one@far.test, two@far.test\n"
        "in@our.test anna@our.test, x@a.sub.test, y@mx.test, z@store.test\n"
        "crew@our.test list@mx.test\nold@gone.test new@far.test\n"},
       {"aliases", "list: a@far.test\nowner-list: boss@mx.test\nnull: /dev/null\n"},
       {"senders", "@inner.test @our.test\n"},
       {"copies", "copied@our.test audit@far.test\n"},
       {"secret", "the secret of this test\n"}}});
  for (const config::Diagnostic& d : loaded.diagnostics) FAIL(d.text());
  return loaded.config;
}

class Forwarded {
 public:
  explicit Forwarded(const std::string& more = {}) : config_(forwarding_config(more)) {}

  ExpandedMail expand(std::vector<std::string> recipients, std::string sender,
                      std::uint8_t notify = 0) {
    NewMessage m = test::make_message(100, std::move(recipients), {}, std::move(sender));
    m.info.envelope.envid = "E1";
    m.info.envelope.ret = mail::DsnReturn::full;
    for (NewRecipient& r : m.recipients) r.recipient.notify.bits = notify;
    return qmgr::expand(std::move(m), rewriter_, [this] { return mail::QueueId{++last_}; },
                        {&forwarding_, kForwardedAt});
  }
  // "sender: recipient recipient; sender: recipient", rewritten senders as "SRS(address)".
  std::string ways(const ExpandedMail& mail) const {
    std::string out;
    for (const NewMessage& part : mail.messages) {
      const mail::Address& from = part.info.envelope.reverse_path;
      mail::Address behind = rewriter_.sender_behind(from);
      out += out.empty() ? "" : "; ";
      out += behind == from ? from.text() : fmt::format("SRS({})", behind.text());
      out += ':';
      for (const NewRecipient& r : part.recipients) out += " " + r.recipient.address.text();
    }
    return out;
  }
  std::string ways(std::vector<std::string> recipients, std::string sender) {
    return ways(expand(std::move(recipients), std::move(sender)));
  }

 private:
  config::Config config_;
  Router router_{config_};
  rewrite::Rewriter rewriter_{config_.addresses, config_.srs};
  Forwarding forwarding_{config_, router_};
  std::uint64_t last_ = 200;
};

}  // namespace

TEST_CASE("SRS: who is rewritten, for whom") {
  struct Row {
    std::vector<std::string> recipients;
    const char* sender;
    const char* want;
  };
  const Row rows[] = {
      {{"out@our.test"}, "s@else.test", "SRS(s@else.test): one@far.test"},
      {{"both@our.test"},
       "s@else.test",
       "s@else.test: anna@our.test; SRS(s@else.test): one@far.test two@far.test"},
      {{"in@our.test"},
       "s@else.test",
       "s@else.test: anna@our.test x@a.sub.test y@mx.test z@store.test"},
      // Whatever rewriting leads outside.
      {{"old@gone.test"}, "s@else.test", "SRS(s@else.test): new@far.test"},
      // Nobody's, and our own.
      {{"out@our.test"}, "", ": one@far.test"},
      {{"out@our.test"}, "anna@our.test", "anna@our.test: one@far.test"},
      {{"out@our.test"}, "anna@OUR.test", "anna@OUR.test: one@far.test"},
      {{"out@our.test"}, "x@a.sub.test", "x@a.sub.test: one@far.test"},
      {{"out@our.test"}, "root@mx.test", "root@mx.test: one@far.test"},
      {{"out@our.test"}, "anna@inner.test", "anna@our.test: one@far.test"},
      // Below a domain of ours its own record counts.
      {{"out@our.test"}, "s@below.our.test", "SRS(s@below.our.test): one@far.test"},
      // Relayed, not forwarded.
      {{"u@far.test"}, "s@else.test", "s@else.test: u@far.test"},
      {{"u@far.test", "out@our.test"},
       "s@else.test",
       "s@else.test: u@far.test; SRS(s@else.test): one@far.test"},
      // By name and by an alias: once.
      {{"one@far.test", "out@our.test"}, "s@else.test", "s@else.test: one@far.test"},
      {{"out@our.test", "one@far.test"}, "s@else.test", "SRS(s@else.test): one@far.test"},
      {{"out@our.test", "both@our.test"},
       "s@else.test",
       "s@else.test: anna@our.test; SRS(s@else.test): one@far.test two@far.test"},
      // The owner of a list goes before.
      {{"crew@our.test", "out@our.test"},
       "s@else.test",
       "owner-list@mx.test: a@far.test; SRS(s@else.test): one@far.test"},
      {{"null@mx.test"}, "s@else.test", "s@else.test: null@mx.test"},
      // A copy leaves as all mail does.
      {{"copied@our.test"},
       "s@else.test",
       "s@else.test: copied@our.test; SRS(s@else.test): audit@far.test"},
      // Too long for an address.
      {{"out@our.test"},
       "a-rather-long-local-part@a-rather-long-domain.of.somebody.else.test",
       "a-rather-long-local-part@a-rather-long-domain.of.somebody.else.test: one@far.test"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.recipients, row.sender);
    CHECK(Forwarded().ways(row.recipients, row.sender) == row.want);
  }
}

TEST_CASE("SRS: what cannot be rewritten goes on as it is, and is told") {
  ExpandedMail out = Forwarded().expand(
      {"out@our.test"}, "a-rather-long-local-part@a-rather-long-domain.of.somebody.else.test");
  CHECK(out.problem == rewrite::Problem::none);
  CHECK(out.sender_kept == rewrite::SrsProblem::too_long);
  CHECK(Forwarded().expand({"out@our.test"}, "s@else.test").sender_kept ==
        rewrite::SrsProblem::none);
}

TEST_CASE("SRS: a part keeps what was asked for, as an alias does (RFC 3461 5.2.7.1)") {
  ExpandedMail out =
      Forwarded().expand({"out@our.test", "anna@our.test"}, "s@else.test", Notify::failure);
  REQUIRE(out.messages.size() == 2);
  const NewMessage& part = out.messages[1];
  CHECK(part.given_sender == "s@else.test");
  CHECK(part.part_of.value == 100);
  CHECK(part.info.envelope.envid == "E1");
  CHECK(part.info.envelope.ret == mail::DsnReturn::full);
  CHECK(part.recipients[0].recipient.notify.bits == Notify::failure);
  CHECK(part.recipients[0].recipient.orcpt == "rfc822;out@our.test");
  CHECK(part.recipients[0].given == "out@our.test");
  CHECK(out.messages[0].given_sender.empty());
}

TEST_CASE("SRS: second forwarders, and what comes back") {
  Forwarded forwarded;
  ExpandedMail first = forwarded.expand({"out@our.test"}, "SRS0=abcd=AB=far.test=a@fwd.test");
  std::string sender = first.messages[0].info.envelope.reverse_path.text();
  CHECK(sender.starts_with("SRS1="));
  CHECK(sender.ends_with("=fwd.test==abcd=AB=far.test=a@srs.test"));
  CHECK(forwarded.ways({sender}, "") == ": SRS0=abcd=AB=far.test=a@fwd.test");
  std::string own = forwarded.expand({"out@our.test"}, "s@else.test")
                        .messages[0]
                        .info.envelope.reverse_path.text();
  CHECK(forwarded.ways({own}, "") == ": s@else.test");
  // Mail under one of our addresses is not rewritten again.
  CHECK(forwarded.ways({"out@our.test"}, own) == "SRS(s@else.test): one@far.test");
  CHECK(forwarded.expand({"out@our.test"}, own).messages[0].info.envelope.reverse_path.text() ==
        own);
  // With returns = "any", strangers' mail to such an address leaves again.
  CHECK(forwarded.ways({own}, "t@third.test") == "SRS(t@third.test): s@else.test");
  ExpandedMail bad = forwarded.expand({"SRS0=abcd=AB=far.test=a@srs.test"}, "");
  CHECK(bad.problem == rewrite::Problem::unknown);
  CHECK(bad.messages.empty());
}
