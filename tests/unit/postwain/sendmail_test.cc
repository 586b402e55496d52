#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/content/header_form.h"
#include "postwain/sendmail/local_header.h"
#include "postwain/sendmail/local_input.h"
#include "postwain/sendmail/sendmail_arguments.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

using Words = std::vector<std::string>;
using Mode = SendmailArguments::Mode;

std::string describe(const SendmailArguments& a) {
  if (!a.error.empty()) return fmt::format("error {}: {}", a.exit_code, a.error);
  std::string out = a.mode == Mode::deliver       ? ""
                    : a.mode == Mode::list_queue  ? "list "
                    : a.mode == Mode::retry_queue ? "retry "
                    : a.mode == Mode::smtp        ? "smtp "
                    : a.mode == Mode::verify      ? "verify "
                    : a.mode == Mode::help        ? "help "
                                                  : "aliases ";
  if (a.recipients_from_header) out += "t ";
  if (a.dot_is_data) out += "i ";
  if (a.sender) out += fmt::format("f<{}> ", *a.sender);
  if (!a.full_name.empty()) out += fmt::format("F<{}> ", a.full_name);
  if (a.notify.bits != 0) out += fmt::format("N{} ", a.notify.bits);
  if (a.ret == mail::DsnReturn::full) out += "Rfull ";
  if (a.ret == mail::DsnReturn::headers) out += "Rhdrs ";
  if (!a.envid.empty()) out += fmt::format("V<{}> ", a.envid);
  if (!a.config_file.empty()) out += fmt::format("C<{}> ", a.config_file);
  for (const std::string& recipient : a.recipients) out += recipient + " ";
  for (const std::string& word : a.not_addresses) out += fmt::format("not<{}> ", word);
  return out;
}

std::string normalised(std::string_view text, bool dot_is_data, std::size_t step) {
  LocalInput input(dot_is_data);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) input.feed(text.substr(at, step), out);
  input.finish(out);
  return out;
}

}  // namespace

TEST_CASE("arguments as programs give them") {
  struct Row {
    Words words;
    const char* want;
  } rows[] = {
      {{"a@b"}, "a@b "},
      {{"-t"}, "t "},
      {{"-t", "-i"}, "t i "},
      {{"-ti"}, "t i "},
      {{"-oi", "-t"}, "t i "},
      {{"-i", "--", "-a@b", "c@d"}, "i -a@b c@d "},
      {{"-f", "x@y", "a@b"}, "f<x@y> a@b "},
      {{"-fx@y", "a@b"}, "f<x@y> a@b "},
      {{"-f", "", "a@b"}, "f<> a@b "},
      {{"-f<>", "a@b"}, "f<> a@b "},
      {{"-r", "x@y", "a@b"}, "f<x@y> a@b "},
      {{"-F", "Anna B", "-t"}, "t F<Anna B> "},
      {{"-N", "success,failure", "a@b"}, "N6 a@b "},
      {{"-Nnever", "a@b"}, "N1 a@b "},
      {{"-R", "hdrs", "a@b"}, "Rhdrs a@b "},
      {{"-Rfull", "a@b"}, "Rfull a@b "},
      {{"-V", "env1", "a@b"}, "V<env1> a@b "},
      {{"-C", "/x.toml", "a@b"}, "C</x.toml> a@b "},
      {{"--config", "/x.toml", "a@b"}, "C</x.toml> a@b "},
      {{"--config=/x.toml", "a@b"}, "C</x.toml> a@b "},
      {{"-bm", "a@b"}, "a@b "},
      {{"-bp"}, "list "},
      {{"-q"}, "retry "},
      {{"-q30m"}, "retry "},
      {{"-bi"}, "aliases "},
      {{"-B", "8BITMIME", "-oem", "-odb", "-v", "-U", "-n", "-O", "x=y", "a@b"}, "a@b "},
      {{"-O", "IgnoreDots=true", "a@b"}, "i a@b "},
      {{"-h", "3", "-L", "tag", "-p", "ESMTP:x", "-X", "log", "a@b"}, "a@b "},
      {{}, "error 64: no recipients: give addresses, or -t to take them from the header"},
      // operate 15, 18, 19
      {{"-t", "a@b"}, "t a@b "},
      {{"-tif", "x@y"}, "t i f<x@y> "},
      {{"-tifx@y", "a@b"}, "t i f<x@y> a@b "},
      {{"-ep", "a@b"}, "a@b "},
      {{"-ew", "-eq", "-em", "a@b"}, "a@b "},
      {{"-vtoi"}, "t i "},
      {{"-I"}, "aliases "},
      {{"-bv", "a@b"}, "verify a@b "},
      {{"--help"}, "help "},
      {{"a@b", "-f", "x@y"}, "a@b x@y not<-f> "},
      {{"a@b", "--", "-f@y"}, "a@b -f@y "},
      {{"-bs"}, "smtp "},
      {{"-bs", "-f", "x@y"}, "smtp f<x@y> "},
      {{"-bd"}, "error 64: -bd: the daemon is started with `postwain run`"},
      {{"-bz"}, "error 64: -bz is not a mode of this sendmail"},
      {{"-f"}, "error 64: -f needs a value"},
      {{"-z", "a@b"}, "error 64: unknown option -z"},
      {{"-N", "maybe", "a@b"}, "error 64: -N takes never, or a list of success, failure, delay"},
      {{"-N", "never,success", "a@b"}, "error 64: -N never stands alone"},
      {{"-R", "some", "a@b"}, "error 64: -R takes full or hdrs"},
      {{"-V", "a b", "a@b"}, "error 64: -V takes printable characters without blanks"},
      {{"-o", "", "a@b"}, "a@b "},
  };
  for (const Row& row : rows) {
    std::string shown;
    for (const std::string& word : row.words) shown += word + " ";
    INFO(shown);
    CHECK(describe(parse_sendmail_arguments(row.words)) == row.want);
  }
  CHECK(describe(parse_sendmail_arguments({}, true)) == "list ");
}

TEST_CASE("standard input becomes CRLF lines, however it is cut") {
  struct Row {
    std::string text;
    bool dot_is_data;
    std::string want;
  } rows[] = {
      {"", false, ""},
      {"a\nb\n", false, "a\r\nb\r\n"},
      {"a\r\nb\r\n", false, "a\r\nb\r\n"},
      {"a", false, "a\r\n"},
      {"a\r", false, "a\r\n"},
      {"a\rb\n", false, "a\r\nb\r\n"},
      {"a\r\r\nb", false, "a\r\nb\r\n"},  // operate 20: converted twice
      {"a\r\r\r\n\r\r\nb", false, "a\r\n\r\nb\r\n"},
      {"a\r\rb", false, "a\r\n\r\nb\r\n"},
      {"a\n.\r\r\nb\n", false, "a\r\n"},
      {"a\n\r\n", false, "a\r\n\r\n"},
      {"a\n.\nb\n", false, "a\r\n"},
      {"a\n.\r\nb\n", false, "a\r\n"},
      {"a\n.", false, "a\r\n"},
      {"a\n.\r", false, "a\r\n"},
      {"a\n..\n.b\n", false, "a\r\n..\r\n.b\r\n"},
      {"a\n.\nb\n", true, "a\r\n.\r\nb\r\n"},
      {"a\n.\rb\n", true, "a\r\n.\r\nb\r\n"},
      {".", true, ".\r\n"},
      {std::string("a\0b\n", 4), false, std::string("a\0b\r\n", 5)},
  };
  for (const Row& row : rows)
    for (std::size_t step : {1UL, 2UL, 3UL, 100UL}) {
      INFO(row.text << " in steps of " << step);
      CHECK(normalised(row.text, row.dot_is_data, step) == row.want);
    }
}

TEST_CASE("the end of the header, also without an empty line") {
  struct Row {
    const char* text;
    std::size_t header;
    std::size_t body;
  } rows[] = {
      {"", 0, 0},
      {"hello\r\n", 0, 0},
      {"\r\nhello\r\n", 0, 2},
      {"To: a\r\n\r\nx\r\n", 7, 9},
      {"To: a\r\nhello there\r\n", 7, 7},
      {"To: a\r\n b\r\n\tc\r\n\r\n", 15, 17},
      {"From me Mon\r\nTo: a\r\n\r\nx", 20, 22},
      {">From me Mon\r\nTo: a\r\n\r\nx", 21, 23},
      {"To : a\r\n\r\n", 8, 10},
      {" To: a\r\n\r\n", 0, 0},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    std::size_t from = 0;
    mail::HeaderEnd end = mail::find_header_end(row.text, from, true);
    CHECK(end.found);
    CHECK(end.header == row.header);
    CHECK(end.body == row.body);
  }
  std::size_t from = 0;
  CHECK_FALSE(mail::find_header_end("To: a\r\nSubj", from, false).found);
  CHECK(from == 7);
}

TEST_CASE("recipients of the header") {
  auto texts = [](std::string_view header) {
    HeaderRecipients found = header_recipients(header);
    std::string out;
    for (const AddressList::Bad& bad : found.bad) out += bad.why + " ";
    for (const mail::Address& address : found.addresses) out += address.text() + " ";
    return out;
  };
  CHECK(texts("To: a@b,\r\n c@d\r\nSubject: x@y\r\nCC: e\r\nbcc: f@g\r\n") == "a@b c@d e f@g ");
  CHECK(texts("To: a@b\r\nResent-To: r@s\r\nBcc: c@d\r\nResent-Bcc: t@u\r\n") == "r@s t@u ");
  CHECK(texts("To: undisclosed:;\r\nBcc: a@b\r\n") == "a@b ");
  CHECK(texts("To: a b c\r\n") == "To: not an address: a b c ");
  CHECK(texts("To: a b c, d@e\r\nCc: f@g; h@i\r\n") == "To: not an address: a b c d@e f@g h@i ");
  CHECK(texts("Subject: x\r\n").empty());
}

TEST_CASE("what is missing in the header is added, Bcc is removed") {
  LocalOrigin origin{mail::QueueId{12345}, from_unix_ms(1795253400000),
                     "mx.example.org",     {},
                     "anna@example.org",   "Anna, Example"};
  CHECK(complete_header("To: a@b\r\nBcc: c@d,\r\n e@f\r\nSubject: s\r\n", origin) ==
        "Date: Sat, 21 Nov 2026 09:30:00 +0000\r\n"
        "Message-ID: <0000000000C1S@mx.example.org>\r\n"
        "From: \"Anna, Example\" <anna@example.org>\r\n"
        "To: a@b\r\nSubject: s\r\n\r\n");
  CHECK(complete_header("date: x\r\nMESSAGE-ID: y\r\nFrom : z\r\nReturn-Path: <q@r>\r\n", origin) ==
        "date: x\r\nMESSAGE-ID: y\r\nFrom : z\r\n\r\n");
  CHECK(complete_header("From me Mon Jan\r\nDate: x\r\nMessage-ID: y\r\nFrom: z\r\n", origin) ==
        "Date: x\r\nMessage-ID: y\r\nFrom: z\r\n\r\n");
}

TEST_CASE("operate 9: names in the header are completed with the origin domain") {
  LocalOrigin origin{mail::QueueId{1}, from_unix_ms(0), "h.test", "o.test", "a@o.test", {}};
  std::string out = complete_header(
      ">From x\r\nFrom: root (Cron Daemon)\r\nTo: alice,\r\n bob@c.org\r\nCc: \"Bob\" <bob>\r\n"
      "Subject: root\r\nReply-To: not an address\r\nDate: x\r\nMessage-ID: y\r\n",
      origin);
  CHECK(out.substr(out.find("From:")) ==
        "From: root@o.test (Cron Daemon)\r\nTo: alice@o.test,\r\n bob@c.org\r\n"
        "Cc: \"Bob\" <bob@o.test>\r\nSubject: root\r\nReply-To: not an address\r\nDate: x\r\n"
        "Message-ID: y\r\n\r\n");
}

TEST_CASE("display names") {
  CHECK(phrase("Anna Example") == "Anna Example");
  CHECK(phrase("Dr. \"A\"") == "\"Dr. \\\"A\\\"\"");
  CHECK(phrase("J\xc3\xbcrgen") == "=?utf-8?B?SsO8cmdlbg==?=");
  CHECK(phrase("a\r\nBcc: x") == "\"aBcc: x\"");
  std::string longest;
  for (int i = 0; i < 60; ++i) longest += "\xc3\xbc";
  CHECK(phrase(longest).size() <= 75);
  CHECK(phrase("\xff").empty());
}
