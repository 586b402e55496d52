// Line reader, dot decoder and chunk decoder: the same result at every cut.
#include <catch2/catch.hpp>

#include <chrono>
#include <random>
#include <vector>

#include "common/smtp/syntax/content_decoder.h"
#include "common/smtp/syntax/line_reader.h"

using namespace postwain::smtp;

namespace {

struct Decoded {
  std::string content;
  std::string rest;
  bool ended = false;
  bool lone = false;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(const std::vector<std::string>& parts) {
  DotDecoder decoder;
  Decoded out;
  for (const std::string& part : parts) {
    std::size_t used = decoder.ended() ? 0 : decoder.decode(part, &out.content);
    out.rest += part.substr(used);
  }
  out.ended = decoder.ended();
  out.lone = decoder.lone_cr_or_lf();
  return out;
}

// What RFC 5321 4.5.2 says, one octet at a time and as slow as can be.
Decoded decode_by_the_book(const std::string& wire) {
  Decoded out;
  std::size_t end = wire.substr(0, 3) == ".\r\n" ? 0 : wire.find("\r\n.\r\n");
  if (end != std::string::npos) {
    out.ended = true;
    bool at_once = wire.substr(0, 3) == ".\r\n";
    out.rest = wire.substr(at_once ? 3 : end + 5);
    out.content = at_once ? "" : wire.substr(0, end + 2);
  } else {
    out.content = wire;
  }
  std::string plain;
  for (std::size_t i = 0; i < out.content.size(); ++i) {
    bool line_start = i == 0 || (i >= 2 && out.content.substr(i - 2, 2) == "\r\n");
    char c = out.content[i];
    if (line_start && c == '.') continue;
    plain += c;
    if (c == '\n' && (i == 0 || out.content[i - 1] != '\r')) out.lone = true;
    if (c == '\r' && (i + 1 == out.content.size() || out.content[i + 1] != '\n')) out.lone = true;
  }
  out.content = plain;
  return out;
}

const std::string kEnders[] = {
    "\n.\n",
    "\r.\r",
    "\r.\n",
    "\n.\r",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r\n",
    "\r\n.\r",
    {"\r\n\0.\r\n", 6},
    {"\r\n.\0\r\n", 6},
    "\r\r\n.\r\r\n",
};

}  // namespace

TEST_CASE("content from DATA", "[content]") {
  struct Row {
    const char* what;
    std::string wire;
    Decoded want;
  };
  const Row rows[] = {
      {"plain", "a\r\nb\r\n.\r\nQUIT\r\n", {"a\r\nb\r\n", "QUIT\r\n", true, false}},
      {"empty", ".\r\nX", {"", "X", true, false}},
      {"dots", "..\r\n...\r\n.a\r\n.\r\n", {".\r\n..\r\na\r\n", "", true, false}},
      {"dot in the line", "a.b\r\n.\r\n", {"a.b\r\n", "", true, false}},
      {"lone LF", "a\nb\r\n.\r\n", {"a\nb\r\n", "", true, true}},
      {"lone CR", "a\rb\r\n.\r\n", {"a\rb\r\n", "", true, true}},
      {"dot CR x", ".\rx\r\n.\r\n", {"\rx\r\n", "", true, true}},
      {"dot CR CR LF", ".\r\r\n.\r\n", {"\r\r\n", "", true, true}},
      {"8-bit and NUL",
       std::string("\xFF\0\r\n.\r\n", 7),
       {std::string("\xFF\0\r\n", 4), "", true, false}},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(decode({row.wire}) == row.want);
    std::vector<std::string> octets;
    for (char c : row.wire) octets.emplace_back(1, c);
    CHECK(decode(octets) == row.want);
  }
}

TEST_CASE("smuggling: eleven false ends at every split", "[content]") {
  for (const std::string& ender : kEnders) {
    std::string wire =
        "Subject: x\r\n\r\nbody" + ender + "MAIL FROM:<evil@x>\r\nDATA\r\nmore\r\n.\r\nNOOP\r\n";
    Decoded want = decode_by_the_book(wire);
    REQUIRE(want.rest == "NOOP\r\n");
    for (std::size_t first = 0; first <= wire.size(); ++first)
      for (std::size_t second = first; second <= wire.size(); second += 3) {
        Decoded got = decode(
            {wire.substr(0, first), wire.substr(first, second - first), wire.substr(second)});
        if (got == want) continue;
        INFO("split at " << first << " and " << second);
        REQUIRE(got == want);
      }
  }
}

TEST_CASE("random content against the book", "[content]") {
  unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string letters = "\r\n.\r\n.ab";
  for (int round = 0; round < 20000; ++round) {
    std::string wire;
    std::size_t length = random() % 24;
    for (std::size_t i = 0; i < length; ++i) wire += letters[random() % letters.size()];
    wire += "\r\n.\r\nQ";
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < wire.size();) {
      std::size_t size = 1 + random() % 5;
      parts.push_back(wire.substr(at, size));
      at += size;
    }
    if (decode(parts) == decode_by_the_book(wire)) continue;
    INFO(wire);
    REQUIRE(decode(parts) == decode_by_the_book(wire));
  }
}

TEST_CASE("content that is thrown away ends at the same place", "[content]") {
  DotDecoder decoder;
  CHECK(decoder.decode("a\r\n..\r\n.\r\nNOOP", nullptr) == 10);
  CHECK(decoder.ended());
}

TEST_CASE("content from BDAT", "[content]") {
  auto run = [](const std::vector<std::string>& parts) {
    ChunkDecoder decoder;
    Decoded out;
    for (const std::string& part : parts) decoder.decode(part, &out.content);
    decoder.finish(&out.content);
    out.lone = decoder.lone_cr();
    return out;
  };
  CHECK(run({"a\r\n.\r\nb\r\n"}) == Decoded{"a\r\n.\r\nb\r\n", "", false, false});
  CHECK(run({"a\r", "\nb\r\n"}) == Decoded{"a\r\nb\r\n", "", false, false});
  CHECK(run({"a\r", "b\r\n"}).lone);
  // receive 16: where octets are counted a lone LF is the line end it was meant to be.
  CHECK(run({"a\r\n", "\nb\r\n"}) == Decoded{"a\r\n\r\nb\r\n", "", false, false});
  CHECK(run({"a\n"}) == Decoded{"a\r\n", "", false, false});
  CHECK(run({"\n\n.\n"}) == Decoded{"\r\n\r\n.\r\n", "", false, false});
  CHECK(run({"a\r\r\n"}).lone);
  CHECK(run({"a\r"}).lone);
  CHECK(run({"a\r", "", "\n"}) == Decoded{"a\r\n", "", false, false});
  CHECK(run({""}) == Decoded{});
  // A last line without CRLF gets one.
  CHECK(run({"a\r\nb"}).content == "a\r\nb\r\n");
  CHECK_FALSE(run({"a\r\nb"}).lone);
  for (const std::string& ender : kEnders) {
    std::string content = "x" + ender + "y\r\n";
    std::string want;
    bool lone = false;
    for (std::size_t i = 0; i < content.size(); ++i) {
      bool after_cr = i > 0 && content[i - 1] == '\r';
      if (content[i] == '\n' && !after_cr) want += '\r';
      want += content[i];
      lone = lone || (content[i] == '\r' && content.substr(i + 1, 1) != "\n");
    }
    for (std::size_t cut = 0; cut <= content.size(); ++cut) {
      Decoded got = run({content.substr(0, cut), content.substr(cut)});
      CHECK(got.lone == lone);
      if (!lone) CHECK(got.content == want);
    }
  }
}

TEST_CASE("command lines", "[content]") {
  LineReader reader;
  reader.append("NOOP\r\nRS");
  auto line = reader.next_line();
  REQUIRE(line);
  CHECK(line->text == "NOOP");
  CHECK(line->problem == LineProblem::none);
  CHECK_FALSE(reader.next_line());
  reader.append("ET\r");
  CHECK_FALSE(reader.next_line());
  reader.append("\n\n");
  CHECK(reader.next_line()->text == "RSET");
  CHECK(reader.next_line()->problem == LineProblem::lone_cr_or_lf);
  reader.append("a\rb\r\n");
  CHECK(reader.next_line()->problem == LineProblem::lone_cr_or_lf);
  reader.append("a\n");
  CHECK(reader.next_line()->problem == LineProblem::lone_cr_or_lf);
  reader.append(std::string_view("a\0b\r\n", 5));
  CHECK(reader.next_line()->problem == LineProblem::nul);
  CHECK(reader.empty());
}

TEST_CASE("a command line that is too long is told once, at its end", "[content]") {
  for (std::size_t size : {kCommandLineMax - 2, kCommandLineMax - 1, std::size_t{20000}}) {
    LineReader reader;
    std::string text(size, 'x');
    for (std::size_t at = 0; at < text.size(); at += 700) {
      reader.append(text.substr(at, 700));
      CHECK_FALSE(reader.next_line());
    }
    reader.append("\r\nNOOP\r\n");
    auto line = reader.next_line();
    REQUIRE(line);
    CHECK((line->problem == LineProblem::too_long) == (size > kCommandLineMax - 2));
    CHECK(reader.next_line()->text == "NOOP");
    CHECK_FALSE(reader.flooded());
  }
  LineReader reader;
  for (int i = 0; i < 80; ++i) {
    reader.append(std::string(1024, 'x'));
    CHECK_FALSE(reader.next_line());
  }
  CHECK(reader.flooded());
  CHECK(reader.size() <= kCommandLineMax + 1024);
}

TEST_CASE("decoding speed", "[.speed]") {
  std::string wire;
  while (wire.size() < (64U << 20)) wire += std::string(74, 'x') + "\r\n";
  wire += ".\r\n";
  std::string out;
  out.reserve(wire.size());
  auto begun = std::chrono::steady_clock::now();
  DotDecoder decoder;
  for (std::size_t at = 0; at < wire.size(); at += 65536) {
    out.clear();
    decoder.decode(std::string_view(wire).substr(at, 65536), &out);
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  WARN(static_cast<double>(wire.size()) / took.count() / 1e9 << " GB/s");
  CHECK(decoder.ended());
}
