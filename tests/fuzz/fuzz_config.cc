// Bytes as a configuration, and as one of the files it includes: whatever stands there, it is read
// to the end, and what is wrong has a place. Nothing is opened: the files are a bundle.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/config/load/bundle.h"

using namespace postwain;

namespace {

void look_at(const config::Loaded& loaded, std::size_t lines) {
  for (const auto* list : {&loaded.diagnostics, &loaded.warnings})
    for (const config::Diagnostic& one : *list) {
      PW_CHECK(!one.message.empty());
      PW_CHECK(one.origin.file != "main.toml" ||
               (one.origin.line >= 0 && static_cast<std::size_t>(one.origin.line) <= lines + 1));
    }
  if (loaded.diagnostics.empty()) PW_CHECK(!loaded.config.hostname.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::size_t lines = 1;
  for (char c : text) lines += c == '\n' ? 1 : 0;
  look_at(config::parse({"main.toml", {{"main.toml", text}}}), lines);
  look_at(config::parse({"main.toml",
                         {{"main.toml", "include = \"a.toml\"\n[addresses]\naliases = \"b\"\n"},
                          {"a.toml", text},
                          {"b", text}}}),
          3);
  return 0;
}
