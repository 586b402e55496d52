// How Rspamd is asked, and what is read of its answers, whole, cut anywhere, and hostile.
#include <catch2/catch.hpp>

#include "common/rspamd/http_reader.h"
#include "common/rspamd/scan_answer.h"
#include "common/rspamd/scan_request.h"

using namespace postwain::rspamd;

namespace {

struct Read {
  bool ok = true;
  HttpReader reader{};
};

// In pieces of that size, and the end where the server ends it.
Read read_in(std::string_view octets, std::size_t piece, bool ends) {
  Read out;
  for (std::size_t at = 0; out.ok && at < octets.size(); at += piece)
    out.ok = out.reader.receive(octets.substr(at, piece));
  if (out.ok && ends) out.ok = out.reader.end();
  return out;
}

const std::string kAnswer = R"({
  "is_skipped": false, "score": 17.2, "required_score": 15.0, "action": "add header",
  "symbols": {"BAYES_SPAM": {"name": "BAYES_SPAM", "score": 5.1, "options": ["99%"]},
              "HAM": {"score": -2.5}, "ZERO": {"score": 0.0}, "ODD": 3},
  "messages": {"smtp_message": "no\r\nthanks"}, "subject": "[SPAM] hello",
  "dkim-signature": "v=1; a=x;\r\n\tb=y",
  "milter": {"add_headers": {"X-One": "1", "X-Two": {"value": "2", "order": 1},
                             "X-Many": [{"value": "a", "order": 0}, "b"], "Bad Name": "x"},
             "remove_headers": {"X-Old": 0, "X-Last": -1},
             "add_rcpt": ["a@example.org", 7], "del_rcpt": ["b@example.org"],
             "change_from": "c@example.org"}
})";

}  // namespace

TEST_CASE("a question has a field for each thing that is known, and no value makes a line") {
  CHECK(ScanRequest("127.0.0.1:11333").add("Helo", "a\r\nFrom: b").add("User", "").finish() ==
        "POST /checkv2 HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        "Host: 127.0.0.1:11333\r\nHelo: a??From: b\r\n\r\n");
  CHECK(ping_request("h:1") == "GET /ping HTTP/1.1\r\nConnection: close\r\nHost: h:1\r\n\r\n");
  CHECK(chunk_of("hello, this is it") == "11\r\nhello, this is it\r\n");
  CHECK(chunk_of("").empty());
}

TEST_CASE("answers of HTTP, cut at every octet") {
  auto [octets, ends, body] = GENERATE(table<std::string, bool, std::string>({
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "hello"},
      {"HTTP/1.0 200 OK\r\n\r\nhello", true, "hello"},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
       false, "hello"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", false, ""},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 1\n\na", false, "a"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, ""},
  }));
  CAPTURE(octets);
  for (std::size_t piece = 1; piece <= octets.size(); ++piece) {
    Read read = read_in(octets, piece, ends);
    CHECK(read.reader.failure() == "");
    CHECK(read.ok);
    CHECK(read.reader.whole());
    CHECK(read.reader.status() == 200);
    CHECK(read.reader.body() == body);
  }
}

TEST_CASE("what is no answer is none") {
  auto octets = GENERATE(as<std::string>{}, "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 9999\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
                         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab");
  CAPTURE(octets);
  CHECK_FALSE(read_in(octets, octets.size(), false).ok);
  CHECK_FALSE(read_in(octets, 1, false).ok);
}

TEST_CASE("an answer that ends early, or never") {
  for (std::string_view cut :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"})
    CHECK_FALSE(read_in(cut, 1, true).ok);
  CHECK_FALSE(read_in("HTTP/1.1 200 OK\r\nX: " + std::string(kHeadMax, 'a'), 1000, false).ok);
  CHECK_FALSE(read_in("HTTP/1.1 200 OK\r\n\r\n" + std::string(kBodyMax + 1, 'a'), 65536, false).ok);
}

TEST_CASE("everything of an answer of Rspamd is read") {
  auto answer = read_scan_answer(kAnswer);
  REQUIRE(answer);
  CHECK(answer->action == ScanAction::add_header);
  CHECK_FALSE(answer->skipped);
  CHECK(answer->score == 17200);
  CHECK(answer->score_limit == 15000);
  REQUIRE(answer->symbols.size() == 4);
  CHECK(answer->symbols[0].name == "BAYES_SPAM");
  CHECK(answer->symbols[0].thousandths == 5100);
  CHECK(answer->symbols[1].thousandths == -2500);
  CHECK(answer->message == "no  thanks");
  CHECK(answer->subject == "[SPAM] hello");
  REQUIRE(answer->added.size() == 5);
  CHECK(answer->added.back().name == "DKIM-Signature");
  CHECK(answer->added.back().value == "v=1; a=x;\r\n\tb=y");
  for (const ScanAnswer::Field& one : answer->added)
    CHECK(one.order.has_value() == (one.value == "2" || one.value == "a"));
  CHECK(answer->removed.size() == 2);
  CHECK(answer->recipients_added == std::vector<std::string>{"a@example.org"});
  CHECK(answer->recipients_removed == std::vector<std::string>{"b@example.org"});
  CHECK(answer->sender == "c@example.org");
}

TEST_CASE("each action of Rspamd") {
  auto [word, action] = GENERATE(table<std::string, ScanAction>({
      {"no action", ScanAction::none},
      {"greylist", ScanAction::none},
      {"add header", ScanAction::add_header},
      {"rewrite subject", ScanAction::rewrite_subject},
      {"soft reject", ScanAction::soft_reject},
      {"reject", ScanAction::reject},
      {"quarantine", ScanAction::quarantine},
      {"discard", ScanAction::discard},
  }));
  auto answer = read_scan_answer("{\"action\": \"" + word + "\"}");
  REQUIRE(answer);
  CHECK(answer->action == action);
  CHECK(read_scan_answer(R"({"action": "reject", "milter": {"reject": "discard"}})")->action ==
        ScanAction::discard);
}

TEST_CASE("hostile answers of Rspamd") {
  for (std::string_view text : {"", "[]", "7", "{", "{}", R"({"action": 7})",
                                R"({"action": "dance"})", R"({"action": "reject"} x)"})
    CHECK_FALSE(read_scan_answer(text));
  for (std::string_view text :
       {R"({"action": "reject", "score": 1e300, "required_score": "x", "symbols": []})",
        R"({"action": "reject", "symbols": {"A": {"score": -1e99}}, "milter": 7})",
        R"({"action": "reject", "milter": {"add_headers": [1], "remove_headers": {"A": "x"}}})",
        R"({"action": "reject", "milter": {"add_headers": {"A": {"value": 1, "order": -5}}}})"}) {
    auto answer = read_scan_answer(text);
    REQUIRE(answer);
    CHECK(answer->added.empty());
    CHECK(answer->score <= 1'000'000'000);
  }
  std::string deep = R"({"action": "reject", "milter": )" + std::string(100'000, '[');
  CHECK_FALSE(read_scan_answer(deep));
  std::string many = R"({"action": "reject", "symbols": {)";
  for (int i = 0; i < 1000; ++i)
    many += "\"S" + std::string(100, 'x') + std::to_string(i) + "\": {\"score\": 1},";
  many.back() = '}';
  auto answer = read_scan_answer(many + "}");
  REQUIRE(answer);
  CHECK(answer->symbols.size() == kSymbolsKept);
  CHECK(answer->symbols[0].name.size() == kSymbolNameMax);
}

TEST_CASE("heads and chunk lines have their bounds however they come") {
  std::string lines;
  while (lines.size() <= kHeadMax) lines += "X: " + std::string(100, 'y') + "\r\n";
  std::string continued;
  while (continued.size() <= kHeadMax) continued += "HTTP/1.1 100 Continue\r\n\r\n";
  std::string good = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  auto [octets, why] = GENERATE_COPY(table<std::string, std::string>({
      {"HTTP/1.1 200 OK\r\n" + lines + "\r\n", "the head of its answer is too long"},
      {continued, "the head of its answer is too long"},
      {good + "0\r\n" + lines, "the head of its answer is too long"},
      {good + "1;" + std::string(300, 'q') + "\r\nx\r\n", "its answer has an odd chunk"},
  }));
  for (std::size_t piece : {std::size_t{1}, std::size_t{107}, octets.size()}) {
    Read got = read_in(octets, piece, false);
    CHECK_FALSE(got.ok);
    CHECK(got.reader.failure() == why);
  }
}

TEST_CASE("what a server says it is is kept, cut") {
  Read got =
      read_in("HTTP/1.1 200 OK\r\nSERVER:  rspamd/3.4 \r\nContent-Length: 0\r\n\r\n", 3, false);
  CHECK(got.reader.server() == "rspamd/3.4");
  got = read_in("HTTP/1.1 200 OK\r\nServer: " + std::string(500, 's') + "\r\n\r\n", 3, false);
  CHECK(got.reader.server().size() == kServerMax);
  CHECK(read_in("HTTP/1.1 200 OK\r\n\r\n", 3, true).reader.server().empty());
}
