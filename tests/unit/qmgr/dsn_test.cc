// Notices read back the way a program that receives them would.
#include <map>

#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/mail/content_fields.h"

#include "qmgr/dsn.h"
#include "qmgr/dsn_text.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;

namespace {

struct Part {
  std::string type;
  std::string body;
};

// Cuts a multipart/report into its parts by its own boundary.
std::vector<Part> parts_of(const std::string& content) {
  std::string header = content.substr(0, mail::header_end(content));
  std::string type = mail::field_value(header, "Content-Type");
  std::size_t at = type.find("boundary=\"") + 10;
  std::string delimiter = "\r\n--" + type.substr(at, type.find('"', at) - at);
  std::vector<Part> parts;
  std::size_t start = content.find(delimiter);
  for (;;) {
    REQUIRE(start != std::string::npos);
    start += delimiter.size();
    if (content.compare(start, 2, "--") == 0) return parts;
    std::size_t end = content.find(delimiter, start);
    std::string part = content.substr(start + 2, end - start - 2);
    std::size_t body = mail::header_end(part);
    parts.push_back({mail::field_value(part.substr(0, body), "Content-Type"), part.substr(body)});
    start = end;
  }
}

// The groups of a delivery-status part.
std::vector<std::string> groups_of(const std::string& body) {
  std::vector<std::string> groups;
  std::size_t start = 0;
  for (;;) {
    std::size_t end = body.find("\r\n\r\n", start);
    if (end == std::string::npos) {
      if (start < body.size()) groups.push_back(body.substr(start));
      return groups;
    }
    groups.push_back(body.substr(start, end + 2 - start));
    start = end + 4;
  }
}

DsnRequest request_for(std::vector<std::string> names) {
  DsnRequest request;
  request.hostname = "mx.test";
  request.id = mail::QueueId{500};
  request.to = mail::Address::from_text("sender@example.com");
  request.now = at(60'000);
  request.original_id = mail::QueueId{5};
  request.original_sender = request.to;
  request.arrived_at = at(0);
  for (const std::string& name : names) {
    DsnRecipient r;
    r.recipient.address = mail::Address::from_text(name);
    r.reply = {550, {5, 1, 1}, "no such user here"};
    r.stage = mail::Stage::rcpt;
    r.remote_host = "mx.example.org";
    r.last_attempt_at = at(50'000);
    request.recipients.push_back(r);
  }
  return request;
}

const std::string kOriginal =
    "Received: from a by b; Thu\r\nFrom: <sender@example.com>\r\nSubject: hello\r\n\r\nThe "
    "body.\r\n";

void check_lines(const std::string& content) {
  std::size_t start = 0;
  while (start < content.size()) {
    std::size_t end = content.find('\n', start);
    REQUIRE(end != std::string::npos);
    REQUIRE(content[end - 1] == '\r');
    REQUIRE(end - start < 999);
    std::string_view line(content.data() + start, end - 1 - start);
    REQUIRE(line.find('\r') == std::string_view::npos);
    start = end + 1;
  }
}

}  // namespace

TEST_CASE("a failure notice names every recipient, the reply and who said it") {
  DsnRequest request = request_for({"a@example.org", "b@example.org"});
  request.envid = "QQ314";
  request.recipients[0].recipient.orcpt = "rfc822;Alias@example.net";
  request.original_size = kOriginal.size();
  Dsn dsn = build_dsn(request, kOriginal);
  check_lines(dsn.content);
  REQUIRE_FALSE(dsn.eight_bit);
  REQUIRE_FALSE(dsn.smtputf8);
  std::string header = dsn.content.substr(0, mail::header_end(dsn.content));
  REQUIRE(header.substr(0, 9) == "Received:");
  REQUIRE(mail::field_value(header, "Auto-Submitted") == "auto-replied");
  REQUIRE(mail::field_value(header, "To") == "<sender@example.com>");
  REQUIRE(mail::field_value(header, "From").find("MAILER-DAEMON@mx.test") != std::string::npos);
  REQUIRE(mail::field_value(header, "Content-Type").find("report-type=delivery-status") !=
          std::string::npos);

  auto parts = parts_of(dsn.content);
  REQUIRE(parts.size() == 3);
  REQUIRE(istarts_with(parts[0].type, "text/plain"));
  REQUIRE(parts[0].body.find("<a@example.org>") != std::string::npos);
  REQUIRE(parts[0].body.find("550 5.1.1 no such user here") != std::string::npos);
  REQUIRE(parts[1].type == "message/delivery-status");
  REQUIRE(parts[2].type == "message/rfc822");
  REQUIRE(parts[2].body == kOriginal);

  auto groups = groups_of(parts[1].body);
  REQUIRE(groups.size() == 3);
  REQUIRE(mail::field_value(groups[0], "Reporting-MTA") == "dns; mx.test");
  REQUIRE(mail::field_value(groups[0], "Original-Envelope-Id") == "QQ314");
  REQUIRE(mail::field_value(groups[1], "Original-Recipient") == "rfc822;Alias@example.net");
  REQUIRE(mail::field_value(groups[1], "Final-Recipient") == "rfc822; a@example.org");
  REQUIRE(mail::field_value(groups[1], "Action") == "failed");
  REQUIRE(mail::field_value(groups[1], "Status") == "5.1.1");
  REQUIRE(mail::field_value(groups[1], "Remote-MTA") == "dns; mx.example.org");
  REQUIRE(mail::field_value(groups[1], "Diagnostic-Code") == "smtp; 550 5.1.1 no such user here");
  REQUIRE(mail::field_value(groups[2], "Final-Recipient") == "rfc822; b@example.org");
}

TEST_CASE("how much of the original is quoted") {
  struct {
    const char* name;
    DsnAction action;
    mail::DsnReturn ret;
    std::uint64_t size;
    bool whole;
  } rows[] = {
      {"failure, nothing said", DsnAction::failed, mail::DsnReturn::unspecified, 0, true},
      {"failure, RET=FULL", DsnAction::failed, mail::DsnReturn::full, 0, true},
      {"failure, RET=HDRS", DsnAction::failed, mail::DsnReturn::headers, 0, false},
      {"failure, too large", DsnAction::failed, mail::DsnReturn::full, kDsnQuoteMax + 1, false},
      {"delay, RET=FULL", DsnAction::delayed, mail::DsnReturn::full, 0, false},
      {"success, RET=FULL", DsnAction::delivered, mail::DsnReturn::full, 0, false},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    DsnRequest request = request_for({"a@example.org"});
    request.action = row.action;
    request.ret = row.ret;
    request.original_size = row.size == 0 ? kOriginal.size() : row.size;
    std::string original = kOriginal;
    if (row.size > 0) original.resize(kDsnQuoteMax, 'x');
    auto parts = parts_of(build_dsn(request, original).content);
    REQUIRE(parts[2].type == (row.whole ? "message/rfc822" : "text/rfc822-headers"));
    REQUIRE((parts[2].body.find("The body.") != std::string::npos) == row.whole);
    REQUIRE(parts[2].body.find("Subject: hello") != std::string::npos);
  }
  DsnRequest lost = request_for({"a@example.org"});
  lost.original_size = 100;
  REQUIRE(parts_of(build_dsn(lost, {}).content).size() == 3);
}

TEST_CASE("status codes fit the action") {
  DsnRecipient r;
  r.reply = {450, {4, 2, 1}, "greylisted"};
  REQUIRE(dsn_status_code(DsnAction::delayed, r) == "4.2.1");
  REQUIRE(dsn_status_code(DsnAction::failed, r) == "5.0.0");
  r.expired = true;
  REQUIRE(dsn_status_code(DsnAction::failed, r) == "5.4.7");
  r.expired = false;
  REQUIRE(dsn_status_code(DsnAction::delivered, r) == "2.0.0");
  r.reply = {};
  REQUIRE(dsn_status_code(DsnAction::delayed, r) == "4.0.0");
}

TEST_CASE("a delay warning says that nothing needs to be done and until when") {
  DsnRequest request = request_for({"a@example.org"});
  request.action = DsnAction::delayed;
  request.retry_until = at(5 * 86400'000LL);
  request.recipients[0].reply = {450, {4, 2, 0}, "try later"};
  auto parts = parts_of(build_dsn(request, kOriginal).content);
  REQUIRE(parts[0].body.find("DO NOT NEED TO SEND YOUR MESSAGE AGAIN") != std::string::npos);
  auto groups = groups_of(parts[1].body);
  REQUIRE(mail::field_value(groups[1], "Action") == "delayed");
  REQUIRE(mail::field_value(groups[1], "Will-Retry-Until") == format_rfc5322(request.retry_until));
}

TEST_CASE("UTF-8 addresses and 8-bit originals") {
  DsnRequest request = request_for({"jörg@exämple.org"});
  Dsn dsn = build_dsn(request, kOriginal);
  REQUIRE(dsn.smtputf8);
  REQUIRE(dsn.eight_bit);
  auto parts = parts_of(dsn.content);
  REQUIRE(parts[1].type == "message/global-delivery-status");
  REQUIRE(mail::field_value(groups_of(parts[1].body)[1], "Final-Recipient") ==
          "utf-8; jörg@exämple.org");

  DsnRequest plain = request_for({"a@example.org"});
  std::string original = "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nx\r\n";
  plain.original_size = original.size();
  Dsn eight = build_dsn(plain, original);
  REQUIRE_FALSE(eight.smtputf8);
  REQUIRE(eight.eight_bit);
  REQUIRE(parts_of(eight.content)[2].body == original);
}

TEST_CASE("what a stranger says cannot break out of its line") {
  DsnRequest request = request_for({"a@example.org"});
  request.recipients[0].reply = {
      550, {}, "one\ntwo\r\nX-Evil: yes\r\n\r\n--boundary\x01\xff" + std::string(5000, 'w')};
  request.recipients[0].remote_host = "host\r\nX-Evil: yes";
  request.envid = "a\r\nX-Evil: yes";
  Dsn dsn = build_dsn(request, kOriginal);
  check_lines(dsn.content);
  REQUIRE(dsn.content.find("\nX-Evil") == std::string::npos);
  REQUIRE(is_ascii(dsn.content));
  REQUIRE(parts_of(dsn.content).size() == 3);

  // A quoted notice that carries our own boundary.
  DsnRequest again = request_for({"a@example.org"});
  std::string nested = "Subject: x\r\n\r\n--=_" + again.id.text() + "/mx.test\r\n--=_" +
                       again.id.text() + "/mx.test--\r\n";
  again.original_size = nested.size();
  auto parts = parts_of(build_dsn(again, nested).content);
  REQUIRE(parts.size() == 3);
  REQUIRE(parts[2].body == nested);
}
