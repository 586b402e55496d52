// Bytes as an aliases file, a map of addresses and a list: reading ends, what is taken has a place
// in the file, and what addresses stand for comes to an end, whatever the files say.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/config/section/sections.h"
#include "common/rewrite/rewriter.h"

using namespace postwain;
using namespace postwain::config;

namespace {

void expand_all(const Addresses& addresses) {
  rewrite::Rewriter rewriter(addresses);
  for (const char* text : {"a@x.test", "b+c@x.test", "x@y.test", "postmaster@mx.test"}) {
    mail::Address address = mail::Address::from_text(text);
    rewrite::Expansion found = rewriter.expand(address);
    PW_CHECK((found.problem != rewrite::Problem::none) || !found.targets.empty());
    (void)rewriter.sender(address);
    (void)rewriter.resolve(address);
  }
  (void)rewrite::problems(addresses);
}

Node text_node(const char* text) {
  Node node;
  node.kind = Node::Kind::string;
  node.text = text;
  return node;
}

// [addresses] with these files, as the parser of TOML would give it.
Node table_of(std::initializer_list<std::pair<const char*, const char*>> keys) {
  Node table;
  for (const auto& [key, value] : keys) table.entries.push_back({key, {}, text_node(value)});
  return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const Node kTables[] = {
      table_of({{"separator", "+"}, {"aliases", "f"}}),
      table_of({{"separator", "+"}, {"virtual", "f"}}),
      table_of({{"canonical", "f"}}),
      table_of({{"separator", "-"}, {"aliases", "a"}, {"virtual", "f"}}),
  };
  Context context;
  context.read = [&](const NamedFile& file, const Origin&) -> std::optional<std::string> {
    return file.path == "a" ? std::string("a: b@x.test, :include:f\n") : text;
  };
  Addresses addresses;
  read_addresses(context, &kTables[data[0] % 4], "mx.test", "", addresses);
  if (context.diagnostics.empty()) expand_all(addresses);
  return 0;
}
