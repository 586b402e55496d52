// Whose mail is ours to sign.
#include <catch2/catch.hpp>

#include "smtpd/acceptance/to_sign.h"
#include "tests/unit/smtpd/session_rig.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::test;
using config::ListenerSign;

TEST_CASE("to_sign") {
  const Client stranger{"192.0.2.1", false, {}, {}};
  const Client trusted{"192.0.2.2", true, {}, {}};
  const Client account{"192.0.2.3", false, {}, "anna"};
  const struct {
    const Client& client;
    const Client* behind;
    ListenerSign listener;
    ToSign want;
  } rows[] = {
      {stranger, nullptr, ListenerSign::fresh, ToSign::no},
      {stranger, nullptr, ListenerSign::all, ToSign::no},
      {stranger, &trusted, ListenerSign::all, ToSign::no},
      {trusted, nullptr, ListenerSign::fresh, ToSign::unless_here_before},
      {trusted, nullptr, ListenerSign::all, ToSign::yes},
      {trusted, nullptr, ListenerSign::none, ToSign::no},
      {trusted, &stranger, ListenerSign::fresh, ToSign::no},
      {trusted, &stranger, ListenerSign::all, ToSign::no},
      {trusted, &trusted, ListenerSign::fresh, ToSign::yes},
      {trusted, &trusted, ListenerSign::none, ToSign::no},
      {account, nullptr, ListenerSign::fresh, ToSign::yes},
      {account, nullptr, ListenerSign::none, ToSign::no},
      {account, &stranger, ListenerSign::all, ToSign::no},
  };
  for (const auto& row : rows) {
    CAPTURE(row.client.address, row.behind != nullptr, static_cast<int>(row.listener));
    CHECK(to_sign(row.client, row.behind, row.listener) == row.want);
  }
}

TEST_CASE("what has been here before is signed only where the listener says so", "[session]") {
  const std::string here = "Received: from a by mx.test (Postwain); x\r\n";
  const struct {
    bool trusted;
    ListenerSign listener;
    bool before;
    bool want;
  } rows[] = {
      {true, ListenerSign::fresh, false, true},   {true, ListenerSign::fresh, true, false},
      {true, ListenerSign::all, true, true},      {true, ListenerSign::none, false, false},
      {false, ListenerSign::fresh, false, false}, {false, ListenerSign::all, true, false},
  };
  // Also of what is streamed, whose envelope goes ahead of its content.
  for (std::size_t size : {std::size_t{10}, std::size_t{200'000}})
    for (const auto& row : rows) {
      CAPTURE(size, row.trusted, static_cast<int>(row.listener), row.before);
      Bench bench;
      if (row.trusted) bench.config.access.trusted_networks = {*config::parse_network("127.0.0.1")};
      bench.listener.sign = row.listener;
      bench.connect();
      bench.say("EHLO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@any.test>\r\nDATA\r\n");
      bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
      std::string line(78, 'x');
      std::string content = (row.before ? here : "") + "Subject: x\r\n\r\n";
      while (content.size() < size) content += line + "\r\n";
      bench.say(content + ".\r\n");
      bench.until([&] { return bench.qmgr->contents.size() == 1; });
      CHECK((bench.qmgr->envelopes.back().sign == mail::Signing::dkim) == row.want);
    }
}
