// A header section field by field, at every cut, against the rule for the whole of it.
#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>

#include "common/content/header_form.h"
#include "common/content/header_reader.h"

using namespace postwain;
using namespace postwain::mail;

namespace {

struct Told {
  std::vector<std::string> fields;
  bool ended = false;
};

// Feeds as the engine does: up to each line end, and to where the line's kind is decided.
Told read_in_pieces(std::string_view content, std::size_t piece, bool at_end) {
  Told told;
  HeaderReader reader;
  auto take = [&] {
    while (reader.next_field()) told.fields.emplace_back(reader.field().text);
    told.ended = reader.ended();
  };
  for (std::size_t at = 0; at < content.size() && !told.ended;) {
    std::string_view next = content.substr(at, piece);
    std::size_t end = next.find('\n');
    if (end != std::string_view::npos) next = next.substr(0, end + 1);
    if (reader.undecided() > 0) next = next.substr(0, reader.undecided());
    reader.append(next);
    at += next.size();
    take();
  }
  if (at_end && !told.ended) {
    reader.finish();
    take();
  }
  return told;
}

}  // namespace

TEST_CASE("header fields as they come", "[header]") {
  const std::string many(kFieldNameMax + 1, 'x');
  struct {
    std::string content;
    std::vector<std::string> fields;
    bool ended;  // before the content does
  } rows[] = {
      {"", {}, false},
      {"\r\nbody", {}, true},
      {"A: 1", {"A: 1"}, false},
      {"A: 1\r\n", {"A: 1\r\n"}, false},
      {"A: 1\r\nB: 2\r\n", {"A: 1\r\n", "B: 2\r\n"}, false},
      {"A: 1\r\nB: 2", {"A: 1\r\n", "B: 2"}, false},
      {"A: 1\r\n 2", {"A: 1\r\n 2"}, false},
      {"A: 1\r\n\r\nB: 2\r\n", {"A: 1\r\n"}, true},
      {"A: 1\r\n\t2\r\n 3\r\n\r\n", {"A: 1\r\n\t2\r\n 3\r\n"}, true},
      {"A : 1\r\nno field\r\nB: 2\r\n", {"A : 1\r\n"}, true},
      {"A: 1\r\nno field", {"A: 1\r\n"}, false},
      {" A: 1\r\nB: 2\r\n", {}, true},
      {"From a Mon\r\n fold\r\nA: 1\r\n\r\n", {"A: 1\r\n"}, true},
      {"From a Mon\r\n fold", {}, false},
      {"From a Mon", {}, false},
      {"A: 1\r\nFrom a Mon\r\n", {"A: 1\r\n"}, true},
      {"A: a\nb\rc\r\n\r\n", {"A: a\nb\rc\r\n"}, true},
      {"A: 1\r\n" + many + ": y\r\n", {"A: 1\r\n"}, true},
      {many, {}, true},
      {many.substr(1) + ": y\r\n", {many.substr(1) + ": y\r\n"}, false},
      {"A: " + many + many + "\r\n\r\n", {"A: " + many + many + "\r\n"}, true},
  };
  for (const auto& row : rows) {
    for (std::size_t piece = 1; piece <= row.content.size() + 1;
         piece += row.content.size() < 100 ? 1 : 97) {
      INFO(row.content << ", in pieces of " << piece);
      Told told = read_in_pieces(row.content, piece, true);
      CHECK(told.fields == row.fields);
      CHECK(told.ended);
      CHECK(read_in_pieces(row.content, piece, false).ended == row.ended);
    }
  }
}

TEST_CASE("the parts of a header field", "[header]") {
  HeaderReader reader;
  reader.append("Subject \t: a\r\n");
  CHECK_FALSE(reader.next_field());
  reader.append("  b \r\n");
  CHECK_FALSE(reader.next_field());
  reader.append("\r\n");
  REQUIRE(reader.next_field());
  CHECK(reader.field().name == "Subject");
  CHECK(reader.field().value == " a\r\n  b ");
  CHECK(reader.field().text == "Subject \t: a\r\n  b \r\n");
  CHECK_FALSE(reader.next_field());
  CHECK(reader.ended());
}

TEST_CASE("random header sections: what is told is what find_header_end finds", "[header]") {
  unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  constexpr const char* kPieces[] = {"A: 1", "B",     ":",    " ", "\t",     "\r\n", "\r\n",
                                     "\r\n", "From ", "\r\n", ">", "X-Y: z", "\n",   "\r"};
  for (int round = 0; round < 20000; ++round) {
    std::string content;
    for (std::size_t i = random() % 12; i > 0; --i)
      content += kPieces[random() % std::size(kPieces)];
    INFO("seed " << seed << ": " << content);
    Told whole = read_in_pieces(content, content.size() + 1, true);
    std::string fields;
    for (const std::string& field : whole.fields) fields += field;
    std::size_t from = 0;
    HeaderEnd end = find_header_end(content, from, true);
    REQUIRE(end.found);
    // An mbox line, and what continues it, is in the section and no field.
    std::string header = content.substr(0, end.header);
    REQUIRE(fields.size() <= header.size());
    REQUIRE(header.substr(header.size() - fields.size()) == fields);
    bool mbox = is_mbox_line(header.substr(0, header.find("\r\n")));
    REQUIRE((fields.size() == header.size() || mbox));
    REQUIRE(read_in_pieces(content, 1 + random() % 5, true).fields == whole.fields);
  }
}
