// Lines in bounded pieces, and header sections of parts: at every cut, and of hostile MIME.
#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>

#include "common/content/content_type.h"
#include "common/content/part_headers.h"
#include "common/content/seven_bit.h"

using namespace postwain;
using namespace postwain::mail;

namespace {

std::vector<std::string> pieces_of(std::string_view text, std::size_t cut) {
  std::vector<std::string> out;
  LinePieces lines;
  auto visit = [&](const LinePiece& line) {
    out.push_back((line.begins ? "" : "…") + std::string(line.text) + (line.ends ? "" : "…"));
  };
  for (std::size_t at = 0; at < text.size(); at += cut) lines.take(text.substr(at, cut), visit);
  lines.finish(visit);
  return out;
}

std::vector<std::string> fields_of_parts(std::string_view type, std::string_view body,
                                         std::size_t cut = 1000) {
  std::vector<std::string> out;
  PartHeaders parts(type);
  LinePieces lines;
  auto take = [&](std::string_view field) {
    if (!field.empty()) out.emplace_back(field);
  };
  auto visit = [&](const LinePiece& line) { take(parts.take(line)); };
  for (std::size_t at = 0; at < body.size(); at += cut) lines.take(body.substr(at, cut), visit);
  lines.finish(visit);
  take(parts.finish());
  return out;
}

using Fields = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come whole, long ones in pieces, wherever the text is cut") {
  std::string full(kLinePieceMax, 'a');
  std::string text = "one\r\n\r\ntwo\n" + full + "\r\n" + full.substr(1) + "\r\n" + full + "b\r\n" +
                     full + full + "\nthe\rlast";
  std::vector<std::string> whole = pieces_of(text, text.size());
  CHECK(whole == std::vector<std::string>{"one", "", "two", full + "…", "…", full.substr(1),
                                          full + "…", "…b", full + "…", "…" + full, "the\rlast"});
  for (std::size_t cut : {1, 2, 3, 7, 4095, 4096, 4097}) {
    INFO(cut);
    CHECK(pieces_of(text, cut) == whole);
  }
}

TEST_CASE("fields of nested parts and of messages in messages are found at every cut") {
  const std::string body =
      "preamble: no field\r\n"
      "--a\r\n"
      "Content-Type: multipart/alternative;\r\n boundary=\"b b\"\r\n"
      "X-One: 1\r\n"
      "\r\n"
      "--b b\r\n"
      "\r\n"
      "No-Header: here\r\n"
      "--b b  \r\n"
      "Content-Disposition: attachment;\r\n\tfilename=x.exe\r\n"
      "\r\n"
      "text\r\n"
      "--b b--\r\n"
      "epilogue: no field\r\n"
      "--a\r\n"
      "content-type: message/rfc822\r\n"
      "\r\n"
      "Subject: inner\r\n"
      "Content-Type: multipart/mixed; boundary=c\r\n"
      "\r\n"
      "--c\r\n"
      "X-Deep: yes\r\n"
      "--a--\r\n"
      "X-After: no\r\n";
  const Fields want{"Content-Type: multipart/alternative; boundary=\"b b\"",
                    "X-One: 1",
                    "Content-Disposition: attachment;\tfilename=x.exe",
                    "content-type: message/rfc822",
                    "Subject: inner",
                    "Content-Type: multipart/mixed; boundary=c",
                    "X-Deep: yes"};
  for (std::size_t cut = 1; cut <= body.size(); ++cut)
    REQUIRE(fields_of_parts("multipart/mixed; boundary=a", body, cut) == want);
}

TEST_CASE("parts without a boundary, or of a single part, have no header sections") {
  CHECK(fields_of_parts("text/plain", "--a\r\nX: 1\r\n\r\n").empty());
  CHECK(fields_of_parts("multipart/mixed", "--\r\nX: 1\r\n\r\n").empty());
  CHECK(fields_of_parts("multipart/mixed; boundary=\"\"", "--\r\nX: 1\r\n\r\n").empty());
  CHECK(fields_of_parts("", "X: 1\r\n\r\n").empty());
}

TEST_CASE("a header section of a part ends with what is no field, and with the message") {
  CHECK(fields_of_parts("multipart/mixed; boundary=a", "--a\r\nX: 1\r\nno field\r\nY: 2\r\n") ==
        Fields{"X: 1"});
  CHECK(fields_of_parts("multipart/mixed; boundary=a", "--a\r\n folded: no\r\nX: 1") ==
        Fields{"X: 1"});
  CHECK(fields_of_parts("message/rfc822", "X: 1\r\n more") == Fields{"X: 1 more"});
}

TEST_CASE("neither depth nor length of hostile MIME makes more than its share") {
  std::string body;
  for (int i = 0; i < 10'000; ++i) {
    std::string name = std::to_string(i);
    body += "--b" + name + "\r\nContent-Type: multipart/mixed; boundary=b" + std::to_string(i + 1) +
            "\r\n\r\n";
  }
  CHECK(fields_of_parts("multipart/mixed; boundary=b0", body).size() == kPartDepthMax);
  std::string messages;
  for (int i = 0; i < 10'000; ++i) messages += "Content-Type: message/rfc822\r\n\r\n";
  CHECK(fields_of_parts("message/rfc822", messages).size() == 10'000);
  Fields long_field =
      fields_of_parts("message/rfc822", "X: " + std::string(3 * kPartFieldMax, 'x') + "\r\n\r\n");
  REQUIRE(long_field.size() == 1);
  CHECK(long_field[0].size() == kPartFieldMax);
  std::string folds = "X: 1\r\n";
  for (int i = 0; i < 50'000; ++i) folds += " folded\r\n";
  CHECK(fields_of_parts("message/rfc822", folds)[0].size() == kPartFieldMax);
}

TEST_CASE("whatever the octets, a cut changes nothing") {
  std::mt19937 random(1);
  const std::string_view words[] = {"--a",
                                    "--",
                                    "\r\n",
                                    "\n",
                                    ": ",
                                    "X",
                                    " ",
                                    "\t",
                                    "\r",
                                    "Content-Type",
                                    "--b",
                                    "--a--",
                                    "message/rfc822",
                                    "\"",
                                    "multipart/mixed",
                                    "=",
                                    "; ",
                                    "boundary",
                                    "b",
                                    "\r\n\r\n"};
  for (int round = 0; round < 300; ++round) {
    std::string body;
    for (int i = 0; i < 60; ++i) body += words[random() % std::size(words)];
    Fields whole = fields_of_parts("multipart/mixed; boundary=a", body, body.size());
    for (std::size_t cut : {1, 2, 5, 11})
      REQUIRE(fields_of_parts("multipart/mixed; boundary=a", body, cut) == whole);
  }
}
