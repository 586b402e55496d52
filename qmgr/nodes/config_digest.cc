#include "qmgr/nodes/config_digest.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

bool is_of_machine(std::string_view line) {
  std::string_view key = trim(line.substr(0, line.find('=')));
  return line.empty() || line.front() == '#' || key == "hostname" || key == "node";
}

// FNV-1a: two configurations that differ are to have different numbers, and nobody is to be fooled.
std::uint64_t add_line(std::uint64_t hash, std::string_view line) {
  for (char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return (hash ^ '\n') * 0x100000001B3ULL;
}

}  // namespace

std::string config_digest(const config::Loaded& loaded) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const auto& [path, text] : loaded.bundle.files) {
    bool is_named =
        std::any_of(loaded.named_files.begin(), loaded.named_files.end(),
                    [&file = path](const config::NamedFile& one) { return one.path == file; });
    bool is_own = path == loaded.bundle.main_file || path.ends_with(".toml");
    if (is_named || !is_own) continue;
    for (std::string_view line : split(text, '\n'))
      if (std::string_view words = trim(line); !is_of_machine(words)) hash = add_line(hash, words);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace postwain::qmgr
