// Sessions: what becomes of a message that arrives.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/session_rig.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::test;
using namespace std::chrono_literals;

TEST_CASE("a small message arrives with our Received field first", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.say("Subject: x\r\n\r\n..\r\n.\r\n");
  bench.expect_queued();
  REQUIRE(bench.qmgr->contents.size() == 1);
  const std::string& content = bench.qmgr->contents[0];
  CHECK(content.substr(0, 28) == "Received: from c.test\r\n\tby m");
  CHECK(content.find(" for <u@any.test>;") != std::string::npos);
  CHECK(content.substr(content.size() - 17) == "Subject: x\r\n\r\n.\r\n");
  CHECK(bench.qmgr->past_data == std::vector<std::uint32_t>{1});
}

TEST_CASE("a large message streams, and the window holds up the client", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->hold = true;
  std::string text = bench.large(30000);
  for (std::size_t at = 0; at < text.size(); at += 50000) bench.say(text.substr(at, 50000));
  bench.until([&] { return bench.qmgr->opened(); });
  int turns = 0;
  bench.until([&] { return ++turns > 30; });
  // Besides the window it holds a block that it has read, and the socket what it takes.
  CHECK(bench.client.pending() > text.size() - ipc::kSubmitWindow - (700U << 10));
  CHECK(bench.client.pending() < text.size() - ipc::kSubmitWindow);
  bench.say(".\r\n");
  bench.qmgr->release();
  bench.expect_queued();
  const std::string& content = bench.qmgr->contents.at(0);
  REQUIRE(content.size() > text.size());
  CHECK(content.substr(content.size() - text.size()) == text);
  // The session goes on.
  bench.say("NOOP\r\n");
  bench.expect("250 2.0.0 Ok\r\n");
}

TEST_CASE("<postmaster> becomes the configured address", "[session]") {
  Bench bench;
  bench.connect();
  bench.say("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\nDATA\r\n\r\n.\r\n");
  bench.expect_queued();
  const mail::Recipient& recipient = bench.qmgr->envelopes.at(0).recipients.at(0);
  CHECK(recipient.address.text() == "root@any.test");
  CHECK(recipient.orcpt == "rfc822;postmaster");
}

TEST_CASE("submission gets the fields it lacks", "[session]") {
  Bench bench;
  bench.listener.protocol = config::ListenerProtocol::submission;
  auto network = config::parse_network("127.0.0.0/8");
  REQUIRE(network);
  bench.config.access.trusted_networks.push_back(*network);
  bench.begin_data();
  bench.say("Subject: x\r\n\r\nDate: no\r\n.\r\n");
  bench.expect_queued();
  const std::string& content = bench.qmgr->contents.at(0);
  CHECK(content.find("\r\nDate: ") < content.find("\r\nMessage-ID: <"));
  CHECK(content.find("\r\nMessage-ID: <") < content.find("\r\nSubject: x\r\n\r\nDate: no\r\n"));
}

namespace {

// What is handed over of a message, without our own Received field.
std::string behind_trace(const std::string& content) {
  std::size_t date = content.find(";\r\n\t");
  REQUIRE(date != std::string::npos);
  return content.substr(content.find("\r\n", date + 4) + 2);
}

std::string received_as(config::ListenerProtocol protocol, const std::string& wire) {
  Bench bench;
  bench.listener.protocol = protocol;
  bench.config.access.trusted_networks = {*config::parse_network("127.0.0.1")};
  bench.begin_data();
  bench.say(wire + ".\r\n");
  bench.expect_queued();
  return behind_trace(bench.qmgr->contents.at(0));
}

}  // namespace

TEST_CASE("receive 5, 6, 7: content that does not begin with a field is kept apart", "[session]") {
  struct {
    const char* what;
    std::string wire;
    std::string want;
  } rows[] = {
      {"first line white", "\t(authenticated as boss@x)\r\nFrom: a@b\r\n\r\nx\r\n",
       "\r\n\t(authenticated as boss@x)\r\nFrom: a@b\r\n\r\nx\r\n"},
      {"no header", "UPS on battery\r\nruntime 12 min\r\n",
       "\r\nUPS on battery\r\nruntime 12 min\r\n"},
      {"mbox line", "From alice Mon Nov 14 23:42:00 2026\r\nSubject: x\r\n\r\nx\r\n",
       "X-Mailbox-Line: From alice Mon Nov 14 23:42:00 2026\r\nSubject: x\r\n\r\nx\r\n"},
      {"header only", "Subject: x\r\n", "Subject: x\r\n"},
      {"body only", "\r\nx\r\n", "\r\nx\r\n"},
      {"nothing", "", ""},
      {"From with a space before its colon", "From : a@b\r\n\r\n", "From : a@b\r\n\r\n"},
      {"broken behind the first field", "Subject: x\r\nbroken\r\nTo: y\r\n\r\n",
       "Subject: x\r\nbroken\r\nTo: y\r\n\r\n"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(received_as(config::ListenerProtocol::smtp, row.wire) == row.want);
  }
  // A large body without header streams as any other.
  std::string large;
  while (large.size() < 1500000) large += "a line of a report without any colon in it\r\n";
  CHECK(received_as(config::ListenerProtocol::smtp, large) == "\r\n" + large);
}

TEST_CASE("receive 5, 6, 8: what a submission port mends", "[session]") {
  auto submitted = [](const std::string& wire) {
    return received_as(config::ListenerProtocol::submission, wire);
  };
  std::string hidden = submitted(
      "From: a@b\r\nBcc: hidden@b,\r\n\tboss@b\r\nRESENT-BCC : c@b\r\nReturn-Path: <x@b>\r\n"
      "Date: x\r\nMessage-ID: <y@b>\r\nX-Bcc: kept\r\n\r\nBcc: of the body\r\n");
  CHECK(hidden ==
        "From: a@b\r\nDate: x\r\nMessage-ID: <y@b>\r\nX-Bcc: kept\r\n\r\nBcc: of the body\r\n");
  for (const char* first : {" (authenticated as boss)", "UPS on battery"}) {
    std::string got = submitted(std::string(first) + "\r\nmore\r\n");
    INFO(got);
    CHECK(got.find("Date: ") == 0);
    CHECK(got.find(">\r\n\r\n" + std::string(first) + "\r\nmore\r\n") != std::string::npos);
  }
  std::string mbox = submitted("From alice Mon Nov 14 23:42:00 2026\r\nDate: x\r\n\r\nx\r\n");
  CHECK(mbox.find("Message-ID: ") == 0);
  CHECK(mbox.find("\r\nX-Mailbox-Line: From alice") != std::string::npos);
  std::string broken = submitted("Date: x\r\nMessage-ID: <y@b>\r\nbroken\r\nBcc: body\r\n");
  CHECK(broken == "Date: x\r\nMessage-ID: <y@b>\r\n\r\nbroken\r\nBcc: body\r\n");
}
