#include <catch2/catch.hpp>

#include "smtpd/session/header_check.h"
#include "smtpd/session/trace_field.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {
const WallTime kNow = from_unix_ms(1763717400000);  // Fri, 21 Nov 2025 09:30:00 UTC
}

TEST_CASE("Received field", "[trace]") {
  mail::Envelope envelope;
  envelope.recipients.push_back({mail::Address::from_text("b@example.org"), {}, {}});
  Trace trace{"client.example", "",       "192.0.2.7",
              "mx.example.org", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384"};
  mail::QueueId id{42};
  CHECK(received_field(trace, id, envelope, kNow) ==
        "Received: from client.example ([192.0.2.7])\r\n"
        "\tby mx.example.org (Postwain) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        "\tid " +
            id.text() +
            " for <b@example.org>;\r\n"
            "\tFri, 21 Nov 2025 09:30:00 +0000\r\n");
  trace.client_name = "host.example";
  CHECK(received_field(trace, id, envelope, kNow)
            .find("Received: from client.example (host.example [192.0.2.7])\r\n") == 0);
  trace.client_name = {};
  // Two recipients are not told of each other; a Unix socket has no address.
  envelope.recipients.push_back(envelope.recipients[0]);
  CHECK(received_field({"[IPv6:::1]", "", "", "mx", "LMTP", ""}, id, envelope, kNow) ==
        "Received: from [IPv6:::1]\r\n\tby mx (Postwain) with LMTP\r\n\tid " + id.text() +
            ";\r\n\tFri, 21 Nov 2025 09:30:00 +0000\r\n");
}

TEST_CASE("protocol names of RFC 3848 and RFC 6531", "[trace]") {
  CHECK(protocol_name(smtp::kSmtp, false, false, false) == "SMTP");
  CHECK(protocol_name(smtp::kSmtp, true, false, false) == "ESMTP");
  CHECK(protocol_name(smtp::kSmtp, true, true, false) == "ESMTPS");
  CHECK(protocol_name(smtp::kSmtp, true, true, true) == "UTF8SMTPS");
  CHECK(protocol_name(smtp::kLmtp, true, false, false) == "LMTP");
  CHECK(protocol_name(smtp::kLmtp, true, true, false) == "LMTPS");
  CHECK(protocol_name(smtp::kLmtp, true, false, true) == "UTF8LMTP");
}

TEST_CASE("header section grows in pieces", "[header]") {
  const std::string content = "Date: x\r\nmessage-id : <1@x>\r\n\r\nReceived: in the body\r\n";
  for (std::size_t step = 1; step <= content.size(); ++step) {
    HeaderCheck check;
    for (std::size_t size = 0; size < content.size(); size += step)
      REQUIRE_FALSE(check.look(std::string_view(content).substr(0, size)));
    REQUIRE_FALSE(check.finish(content));
    CHECK(check.whole());
    CHECK(check.has_date());
    CHECK(check.has_message_id());
  }
}

TEST_CASE("a binary message has lines in its header section", "[header]") {
  for (const char* lone : {"Subject: a\rb\r\n\r\n", "Subject: a\nb\r\n\r\n"}) {
    CHECK(HeaderCheck(true).finish(lone)->code == 550);
  }
  CHECK_FALSE(HeaderCheck(true).finish("Subject: a\r\n\r\na\rb\nc"));
}

TEST_CASE("operate 1: mail loops", "[header]") {
  auto verdict = [](std::size_t fields, const std::string& behind) {
    std::string content;
    for (std::size_t i = 0; i < fields; ++i) content += "Received: from a\r\n\tby b; date\r\n";
    HeaderCheck check(false, {50, 5, "mx.test"});
    auto reply = check.finish(content + behind);
    return reply ? reply->code : 250;
  };
  CHECK(verdict(49, "\r\nbody\r\n") == 250);
  CHECK(verdict(50, "\r\nbody\r\n") == 554);
  CHECK(verdict(50, "") == 554);
  CHECK(verdict(49, "Subject: x\r\n\r\nReceived: y\r\n") == 250);
  CHECK(verdict(49, "X-Received: x\r\n\r\n") == 250);
  CHECK(verdict(49, "RECEIVED : x\r\n\r\n") == 554);
  // Those that name us are fewer by far.
  const std::string ours = "Received: from x\r\n\tby mx.TEST (Postwain) with SMTP; date\r\n";
  std::string four;
  for (int i = 0; i < 4; ++i) four += ours;
  CHECK(verdict(1, four + "\r\n") == 250);
  CHECK(verdict(0, four + ours + "\r\n") == 554);
  CHECK(verdict(0, four + "\r\n" + ours) == 250);
}

TEST_CASE("header section without end", "[header]") {
  HeaderCheck check;
  std::string content;
  std::optional<mail::Reply> reply;
  while (!reply && content.size() < (3U << 20)) {
    content += "X: " + std::string(60000, 'x') + "\r\n";
    reply = check.look(content);
  }
  REQUIRE(reply);
  CHECK(reply->code == 552);
  CHECK(reply->enhanced == mail::EnhancedCode{5, 3, 4});
  CHECK(content.size() < kHeaderSectionMax + 70000);
  HeaderCheck empty;
  CHECK_FALSE(empty.finish(""));
  HeaderCheck only_body;
  CHECK_FALSE(only_body.finish("\r\n" + std::string(2U << 20, 'x') + "\r\n"));
}

TEST_CASE("receive 6: the header section ends at the first line that is no field", "[header]") {
  struct {
    const char* content;
    std::size_t fields;
    bool separated;
  } rows[] = {
      {"Subject: x\r\n\r\nbody\r\n", 12, true},
      {"Subject: x\r\n", 12, true},
      {"Subject: x\r\n folded\r\nnot a field\r\nmore\r\n", 21, false},
      {"Subject: x\r\nUPS status: on battery\r\n", 12, false},
      {"UPS on battery\r\nruntime 12 min\r\n", 0, false},
  };
  for (const auto& row : rows) {
    const std::string content = row.content;
    for (std::size_t step = 1; step <= content.size(); ++step) {
      INFO(content << " in steps of " << step);
      HeaderCheck check;
      for (std::size_t size = 0; size < content.size(); size += step)
        REQUIRE_FALSE(check.look(std::string_view(content).substr(0, size)));
      REQUIRE_FALSE(check.finish(content));
      CHECK(check.fields_size() == row.fields);
      CHECK(check.separated() == row.separated);
    }
  }
  // A body alone may be as large as any.
  std::string text;
  HeaderCheck check;
  while (text.size() < 2 * kHeaderSectionMax) {
    text += "a line of a report without any colon or empty line in it\r\n";
    REQUIRE_FALSE(check.look(text));
  }
  CHECK(check.whole());
  HeaderCheck one_line;
  std::string line;
  while (line.size() < 2 * kHeaderSectionMax) {
    line += std::string(5000, 'x');
    REQUIRE_FALSE(one_line.look(line));
  }
  CHECK(one_line.whole());
}

TEST_CASE("receive 10: the name in Received is one harmless word", "[trace]") {
  mail::Envelope envelope;
  Trace trace{"evil (authenticated as boss@x.test)", "", "192.0.2.7", "mx", "SMTP", ""};
  CHECK(received_field(trace, mail::QueueId{42}, envelope, kNow)
            .find("Received: from evil??authenticated?as?boss?x.test? ([192.0.2.7])\r\n") == 0);
}

TEST_CASE("TLS-Required", "[header]") {
  struct {
    const char* header;
    bool no;
  } rows[] = {
      {"Subject: x\r\n\r\n", false},
      {"TLS-Required: No\r\n\r\n", true},
      {"tls-required:\r\n no \r\nSubject: x\r\n\r\n", true},
      {"TLS-Required: Yes\r\n\r\n", false},
      {"TLS-Required:\r\n\r\n", false},
      {"TLS-Required: No, thanks\r\n\r\n", false},
      {"TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false},
      {"Subject: x\r\n\r\nTLS-Required: No\r\n", false},
  };
  for (const auto& row : rows) {
    INFO(row.header);
    HeaderCheck check;
    REQUIRE_FALSE(check.finish(row.header));
    CHECK(check.tls_required_no() == row.no);
  }
}

TEST_CASE("fields a submitted message lacks", "[header]") {
  HeaderCheck check;
  REQUIRE_FALSE(check.finish("Subject: x\r\n\r\n"));
  CHECK(missing_fields(check, kNow, "ID", "mx.test") ==
        "Date: Fri, 21 Nov 2025 09:30:00 +0000\r\nMessage-ID: <ID@mx.test>\r\n");
  HeaderCheck both;
  REQUIRE_FALSE(both.finish("Date: x\r\nMESSAGE-ID: y\r\n"));
  CHECK(missing_fields(both, kNow, "ID", "mx.test").empty());
}
