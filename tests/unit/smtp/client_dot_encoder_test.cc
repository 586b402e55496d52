#include <catch2/catch.hpp>

#include <optional>
#include <random>

#include "common/smtp/syntax/dot_encoder.h"

using postwain::smtp::DotEncoder;

namespace {

std::string encode(std::string_view content, std::size_t chunk) {
  DotEncoder encoder;
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += chunk)
    encoder.encode(content.substr(at, chunk), out);
  encoder.finish(out);
  return out;
}

// What a strict receiver makes of it: nothing when the bytes are not exactly one message.
std::optional<std::string> decode(std::string_view wire) {
  std::string out;
  while (true) {
    std::size_t end = wire.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = wire.substr(0, end);
    wire.remove_prefix(end + 2);
    if (line.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
    if (line == ".") return wire.empty() ? std::optional(out) : std::nullopt;
    if (!line.empty() && line.front() == '.') line.remove_prefix(1);
    out.append(line).append("\r\n");
  }
}

}  // namespace

TEST_CASE("dot stuffing, at every chunk size") {
  struct Row {
    std::string content;
    std::string want;
  };
  const std::vector<Row> rows = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"},
      {"a\r\n.b\r\n\r\n.\r\nc", "a\r\n..b\r\n\r\n..\r\nc\r\n.\r\n"},
      {"a.b\r\nc.\r\n", "a.b\r\nc.\r\n.\r\n"},
      {"\r\n", "\r\n.\r\n"},
      // Smuggling: no lone CR or LF leaves, and no dot line that was not ours.
      {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\r\n.\r\r\nb\r\n", "a\r\n\r\n..\r\n\r\nb\r\n.\r\n"},
      {"a\n\r.\n\rb\r\n", "a\r\n\r\n..\r\n\r\nb\r\n.\r\n"},
  };
  for (const Row& row : rows)
    for (std::size_t chunk = 1; chunk <= row.content.size() + 1; ++chunk) {
      CAPTURE(row.content, chunk);
      CHECK(encode(row.content, chunk) == row.want);
    }
}

TEST_CASE("a strict receiver sees exactly one message, and clean content is unchanged") {
  std::mt19937 random(4711);
  for (int round = 0; round < 3000; ++round) {
    std::string content;
    bool clean = round % 2 == 0;
    std::size_t size = random() % 60;
    for (std::size_t i = 0; i < size; ++i) {
      switch (random() % 5) {
        case 0:
          content += '.';
          break;
        case 1:
          content += clean ? "\r\n" : "\r";
          break;
        case 2:
          content += clean ? "\r\n" : "\n";
          break;
        default:
          content += 'x';
      }
    }
    std::string wire = encode(content, 1 + random() % 7);
    auto seen = decode(wire);
    CAPTURE(content, wire);
    REQUIRE(seen);
    if (!clean) continue;
    if (!content.empty() && content.back() != '\n') content += "\r\n";
    CHECK(*seen == content);
  }
}
