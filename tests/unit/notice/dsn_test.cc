// Notices read back the way a program that receives them would.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/content/content_fields.h"

#include "common/notice/dsn_text.h"
#include "tests/unit/notice/read_back.h"

using namespace postwain;
using namespace postwain::notice;
using namespace postwain::notice::test;

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
  REQUIRE(parts[0].body.find("\r\n<a@example.org>\r\n") != std::string::npos);
  REQUIRE(parts[0].body.find("There is no mailbox with this address.") != std::string::npos);
  REQUIRE(parts[0].body.find("mx.example.org answered when we named the recipient") !=
          std::string::npos);
  REQUIRE(parts[0].body.find("550 5.1.1 no such user here") != std::string::npos);
  REQUIRE(parts[1].type == "message/delivery-status");
  REQUIRE(parts[2].type == "message/rfc822");
  REQUIRE(parts[2].body == kOriginal);

  auto groups = groups_of(parts[1].body);
  REQUIRE(groups.size() == 3);
  REQUIRE(mail::field_value(groups[0], "Reporting-MTA") == "dns; mx.test");
  REQUIRE(mail::field_value(groups[0], "Original-Envelope-Id") == "QQ314");
  REQUIRE(mail::field_value(groups[1], "Original-Recipient") == "rfc822; Alias@example.net");
  REQUIRE(mail::field_value(groups[1], "Final-Recipient") == "rfc822; a@example.org");
  REQUIRE(mail::field_value(groups[1], "Action") == "failed");
  REQUIRE(mail::field_value(groups[1], "Status") == "5.1.1");
  REQUIRE(mail::field_value(groups[1], "Remote-MTA") == "dns; mx.example.org");
  REQUIRE(mail::field_value(groups[1], "Diagnostic-Code") == "smtp; 550 5.1.1 no such user here");
  REQUIRE(mail::field_value(groups[1], "Last-Attempt-Date") == format_rfc5322(at(50'000)));
  REQUIRE(mail::field_value(groups[1], "Final-Log-ID") == request.original_id.text());
  REQUIRE(mail::field_value(groups[2], "Final-Recipient") == "rfc822; b@example.org");
}

TEST_CASE("S14: without a quotation a report has two parts and the Message-ID") {
  DsnRequest request = request_for({"a@example.org"});
  request.action = DsnAction::delivered;
  request.quotes = false;
  std::string original =
      "Message-ID: <m1@example.com>\r\nX-Text: buy now\r\nSubject: buy now\r\n\r\nbuy now\r\n";
  request.original_size = original.size();
  Dsn dsn = build_dsn(request, original);
  check_lines(dsn.content);
  std::string header = dsn.content.substr(0, mail::header_end(dsn.content));
  REQUIRE(mail::field_value(header, "References") == "<m1@example.com>");
  auto parts = parts_of(dsn.content);
  REQUIRE(parts.size() == 2);
  REQUIRE(parts[1].type == "message/delivery-status");
  REQUIRE(dsn.content.find("buy now") == std::string::npos);
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
      {"failure, just fits", DsnAction::failed, mail::DsnReturn::full, 2000, true},
      {"failure, too large", DsnAction::failed, mail::DsnReturn::full, 2001, false},
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
    request.original_max = 2000;
    while (original.size() + 100 < row.size) original += std::string(70, 'x') + "\r\n";
    if (row.size > 0) original.resize(row.size - 2, 'x');
    if (row.size > 0) original += "\r\n";
    REQUIRE(bytes_wanted(request) >= (row.whole ? original.size() : kDsnHeaderMax));
    auto parts = parts_of(build_dsn(request, original).content);
    REQUIRE(parts[2].type == (row.whole ? "message/rfc822" : "text/rfc822-headers"));
    REQUIRE((parts[2].body.find("The body.") != std::string::npos) == row.whole);
    REQUIRE(parts[2].body.find("Subject: hello") != std::string::npos);
  }
  // RFC 8689 5: as if RET=HDRS had been said.
  DsnRequest protected_one = request_for({"a@example.org"});
  protected_one.ret = mail::DsnReturn::full;
  protected_one.original_size = kOriginal.size();
  protected_one.original_require_tls = true;
  REQUIRE(parts_of(build_dsn(protected_one, kOriginal).content)[2].type == "text/rfc822-headers");
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
  REQUIRE(parts[0].body.find("YOU DO NOT NEED TO SEND IT AGAIN") != std::string::npos);
  auto groups = groups_of(parts[1].body);
  REQUIRE(mail::field_value(groups[1], "Action") == "delayed");
  REQUIRE(mail::field_value(groups[1], "Will-Retry-Until") == format_rfc5322(request.retry_until));
}

TEST_CASE("UTF-8 addresses: their ASCII form for a reader with an ASCII address") {
  DsnRequest request = request_for({"j\xc3\xb6rg@ex\xc3\xa4mple.org"});
  request.recipients[0].recipient.orcpt = "utf-8;\xc3\xb6@example.org";
  request.recipients[0].reply.text = "kein Postfach f\xc3\xbcr j\xc3\xb6rg";
  Dsn dsn = build_dsn(request, kOriginal);
  check_lines(dsn.content);
  REQUIRE_FALSE(dsn.smtputf8);
  REQUIRE_FALSE(dsn.eight_bit);
  REQUIRE(is_ascii(dsn.content));
  auto parts = parts_of(dsn.content);
  REQUIRE(parts[0].type == "text/plain; charset=utf-8");
  REQUIRE(parts[0].encoding == "quoted-printable");
  REQUIRE(from_quoted_printable(parts[0].body).find("\r\n<j\xc3\xb6rg@ex\xc3\xa4mple.org>\r\n") !=
          std::string::npos);
  REQUIRE(parts[1].type == "message/delivery-status");
  std::string group = groups_of(parts[1].body)[1];
  REQUIRE(mail::field_value(group, "Final-Recipient") == "utf-8; j\\x{F6}rg@ex\\x{E4}mple.org");
  REQUIRE(mail::field_value(group, "Original-Recipient") == "utf-8; \\x{F6}@example.org");
  REQUIRE(mail::field_value(group, "Diagnostic-Code") ==
          "smtp; 550 5.1.1 kein Postfach f\\x{FC}r j\\x{F6}rg");
}

TEST_CASE("UTF-8 addresses: the parts of RFC 6533 for a reader with a UTF-8 address") {
  DsnRequest request = request_for({"j\xc3\xb6rg@ex\xc3\xa4mple.org", "plain@example.org"});
  request.to = mail::Address::from_text("j\xc3\xbcrgen@example.com");
  request.original_sender = request.to;
  std::string original = "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nx\r\n";
  request.original_size = original.size();
  Dsn dsn = build_dsn(request, original);
  REQUIRE(dsn.smtputf8);
  REQUIRE(dsn.eight_bit);
  auto parts = parts_of(dsn.content);
  REQUIRE(parts[1].type == "message/global-delivery-status");
  REQUIRE(parts[2].type == "message/global");
  auto groups = groups_of(parts[1].body);
  REQUIRE(mail::field_value(groups[1], "Final-Recipient") ==
          "utf-8; j\xc3\xb6rg@ex\xc3\xa4mple.org");
  REQUIRE(mail::field_value(groups[2], "Final-Recipient") == "rfc822; plain@example.org");
  request.ret = mail::DsnReturn::headers;
  REQUIRE(parts_of(build_dsn(request, original).content)[2].type == "message/global-headers");
}

TEST_CASE("8-bit originals") {
  DsnRequest plain = request_for({"a@example.org"});
  std::string body = "Subject: hello\r\n\r\ngr\xc3\xbc\xc3\x9f \xff\r\n";
  plain.original_size = body.size();
  Dsn eight = build_dsn(plain, body);
  REQUIRE_FALSE(eight.smtputf8);
  REQUIRE(eight.eight_bit);
  REQUIRE(parts_of(eight.content)[2].type == "message/rfc822");
  REQUIRE(parts_of(eight.content)[2].encoding == "8bit");
  REQUIRE(parts_of(eight.content)[2].body == body);

  // The header alone needs no 8-bit way to its reader.
  std::string header = "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nx\r\n";
  plain.original_size = header.size();
  plain.ret = mail::DsnReturn::headers;
  Dsn seven = build_dsn(plain, header);
  REQUIRE_FALSE(seven.eight_bit);
  Part part = parts_of(seven.content)[2];
  REQUIRE(part.type == "text/rfc822-headers; charset=utf-8");
  REQUIRE(part.encoding == "quoted-printable");
  REQUIRE(from_quoted_printable(part.body) == header.substr(0, header.size() - 3));
}

TEST_CASE("reports of success, the postmaster's copy, the original beside it") {
  DsnRequest request = request_for({"a@example.org"});
  request.recipients[0].reply = {250, {2, 1, 5}, "ok"};
  struct {
    DsnAction action;
    const char* name;
    const char* words;
  } rows[] = {{DsnAction::delivered, "delivered", "was delivered to the"},
              {DsnAction::relayed, "relayed", "was handed on to"},
              {DsnAction::expanded, "expanded", "to the lists or"}};
  for (const auto& row : rows) {
    request.action = row.action;
    auto parts = parts_of(build_dsn(request, kOriginal).content);
    REQUIRE(parts[0].body.find(row.words) != std::string::npos);
    REQUIRE(mail::field_value(groups_of(parts[1].body)[1], "Action") == row.name);
    REQUIRE(mail::field_value(groups_of(parts[1].body)[1], "Status") == "2.1.5");
  }
  request.action = DsnAction::failed;
  request.to_postmaster = true;
  std::string original = "Message-ID: <1@example.com>\r\nSubject: x\r\n\r\nx\r\n";
  request.original_size = original.size();
  std::string content = build_dsn(request, original).content;
  std::string header = content.substr(0, mail::header_end(content));
  REQUIRE(mail::field_value(header, "Subject") ==
          "Postmaster copy: a delivery report found no reader");
  REQUIRE(mail::field_value(header, "In-Reply-To") == "<1@example.com>");
  REQUIRE(content.find("so it comes to you as") != std::string::npos);
}

TEST_CASE("who said it: a name, an address, a socket, ourselves") {
  struct {
    const char* host;
    int code;
    const char* mta;
    const char* diagnostic;
  } rows[] = {
      {"mx.example.org", 550, "dns; mx.example.org", "smtp; 550 5.1.1 no such user here"},
      {"192.0.2.1", 550, "dns; [192.0.2.1]", "smtp; 550 5.1.1 no such user here"},
      {"2001:db8::1", 550, "dns; [IPv6:2001:db8::1]", "smtp; 550 5.1.1 no such user here"},
      {"/run/dovecot/lmtp", 550, "x-unix; /run/dovecot/lmtp", "smtp; 550 5.1.1 no such user here"},
      {"", 0, "", "X-Postwain; no such user here"},
  };
  for (const auto& row : rows) {
    DsnRequest request = request_for({"a@example.org"});
    request.recipients[0].remote_host = row.host;
    request.recipients[0].reply.code = row.code;
    std::string group = groups_of(parts_of(build_dsn(request, kOriginal).content)[1].body)[1];
    REQUIRE(mail::field_value(group, "Remote-MTA") == row.mta);
    REQUIRE(mail::field_value(group, "Diagnostic-Code") == row.diagnostic);
  }
}

TEST_CASE("a reply of several lines keeps them") {
  DsnRequest request = request_for({"a@example.org"});
  request.recipients[0].reply.text = "first line\nsecond  line\n\nhttps://example.org/why";
  auto parts = parts_of(build_dsn(request, kOriginal).content);
  REQUIRE(parts[0].body.find("      550 5.1.1 first line\r\n      second  line\r\n      https:") !=
          std::string::npos);
  REQUIRE(parts[1].body.find(
              "Diagnostic-Code: smtp; 550 5.1.1 first line\r\n second line\r\n https:") !=
          std::string::npos);
}

TEST_CASE("very many recipients with very long replies stay below the store's limit") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kDsnRecipientsMax; ++i)
    names.push_back(std::to_string(i) + std::string(240, 'a') + "@example.org");
  DsnRequest request = request_for(names);
  for (DsnRecipient& r : request.recipients) r.reply.text = std::string(5000, '\xff');
  std::string original = kOriginal + std::string(kDsnQuoteMax - kOriginal.size() - 2, 'x') + "\r\n";
  request.original_max = kDsnQuoteMax;
  request.original_size = original.size();
  request.words =
      std::make_shared<const Words>(Words{*Template::shipped("en"), *Template::shipped("de")});
  Dsn dsn = build_dsn(request, original);
  check_lines(dsn.content);
  REQUIRE(dsn.content.size() <= kDsnContentMax);
  REQUIRE(groups_of(parts_of(dsn.content)[1].body).size() == kDsnRecipientsMax + 1);
}

TEST_CASE("two languages stand one below the other, the first names the subject") {
  DsnRequest request = request_for({"a@example.org"});
  request.words =
      std::make_shared<const Words>(Words{*Template::shipped("de"), *Template::shipped("en")});
  Dsn dsn = build_dsn(request, kOriginal);
  REQUIRE(is_ascii(dsn.content));
  std::string text = from_quoted_printable(parts_of(dsn.content)[0].body);
  std::size_t german = text.find("Es gibt kein Postfach mit dieser Adresse.");
  REQUIRE(german != std::string::npos);
  REQUIRE(text.find("There is no mailbox with this address.") > german);
  std::string header = dsn.content.substr(0, mail::header_end(dsn.content));
  REQUIRE(mail::field_value(header, "Subject") == "Ihre Nachricht konnte nicht zugestellt werden");
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

TEST_CASE("F15: a report never holds a line that has its original refused") {
  auto longest = [](const std::string& content) {
    std::size_t most = 0;
    for (std::size_t at = 0; at < content.size();) {
      std::size_t end = std::min(content.find("\r\n", at), content.size());
      most = std::max(most, end - at);
      at = end + 2;
    }
    return most;
  };
  for (std::size_t length : {998U, 999U, 3000U}) {
    std::string line(length, 'z');
    DsnRequest request = request_for({"a@example.org"});
    std::string in_body = "Subject: hello\r\n\r\n" + line + "\r\n";
    request.original_size = in_body.size();
    std::string content = build_dsn(request, in_body).content;
    CAPTURE(length);
    REQUIRE(longest(content) <= 998);
    REQUIRE(content.find("Subject: hello") != std::string::npos);
    REQUIRE((content.find("zzz") != std::string::npos) == (length == 998));
    std::string in_header = "X-Long: " + line + "\r\nSubject: hello\r\n\r\nbody\r\n";
    request.original_size = in_header.size();
    content = build_dsn(request, in_header).content;
    REQUIRE(longest(content) <= 998);
    REQUIRE(content.find("zz [...]\r\nSubject: hello") != std::string::npos);
  }
}
