#include "qmgr/cluster/config_digest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

// The order is that of the text, and stays; a new table comes behind the others.
constexpr std::array<std::string_view, 25> kTables = {
    "",       "listener",  "tls",         "access",        "auth",
    "rule",   "filter",    "dns_list",    "content_rule",  "authentication",
    "limits", "strangers", "domain",      "addresses",     "srs",
    "route",  "queue",     "bounces",     "delivery",      "dns",
    "expect", "dkim_key",  "tls_reports", "dmarc_reports", "control"};
constexpr std::array<std::string_view, 5> kOfMachine = {"users", "sandbox", "workers", "metrics",
                                                        "log"};
struct Key {
  std::string_view table;
  std::string_view key;
};
constexpr Key kKeysOfMachine[] = {{"", "hostname"},
                                  {"", "spool_dir"},
                                  {"", "drop_dir"},
                                  {"", "runtime_dir"},
                                  {"", "include"},
                                  {"tls", "key"},
                                  {"listener", "address"},
                                  {"tls", "certificate"},
                                  {"queue", "node"},
                                  {"queue", "store"},
                                  {"queue", "store_password"},
                                  {"queue", "store_tls"},
                                  {"queue", "store_ca"},
                                  {"queue", "store_certificate"},
                                  {"queue", "store_key"}};

// The form of the text: this, four characters for all that counts, and two for each table.
constexpr std::string_view kForm = "t";
constexpr std::size_t kForAll = 4;
constexpr std::size_t kForTable = 2;
constexpr std::size_t kSize = kForm.size() + kForAll + kForTable * kTables.size();
static_assert(kSize <= 64);
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// FNV-1a: two configurations that differ are to have different numbers, and nobody is to be fooled.
constexpr std::uint64_t kEmpty = 0xCBF29CE484222325ULL;
std::uint64_t add_line(std::uint64_t hash, std::string_view line) {
  for (char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return (hash ^ '\n') * 0x100000001B3ULL;
}

std::string digits(std::uint64_t hash, std::size_t count) {
  hash ^= hash >> 32;  // the lowest bits of a product know the highest ones of its factors not
  hash *= 0x9E3779B97F4A7C15ULL;
  std::string out;
  for (std::size_t i = 0; i < count; ++i, hash <<= 6) out += kDigits[hash >> 58];
  return out;
}

// A comment behind a value is none of the value, nor is the CR of a line's end. A '#' within quotes
// begins no comment.
std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '"' && c == '\\')
      ++i;
    else if (quote != 0)
      quote = c == quote ? '\0' : quote;
    else if (c == '"' || c == '\'')
      quote = c;
    else if (c == '#')
      return trim(line.substr(0, i));
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  return trim(line);
}

// "route" of "[[route]]", "tls" of "[[tls.pair]]".
std::string_view table_in(std::string_view header) {
  header.remove_prefix(std::min(header.find_first_not_of("[ \t"), header.size()));
  return trim(header.substr(0, header.find_first_of(".] \t")));
}

// A list over several lines; there are brackets in the addresses within it, too.
bool ends_list(std::string_view line) {
  return line.front() == ']' || line.back() == ']';
}
bool begins_list(std::string_view line) {
  return trim(line.substr(line.find('=') + 1)).starts_with('[') && !ends_list(line);
}

class Digest {
 public:
  void begin_file() {
    table_ = {};
    in_list_ = false;
  }

  // One line of TOML.
  void add(std::string_view line) {
    line = without_comment(line);
    if (line.empty()) return;
    if (in_list_) {
      in_list_ = !ends_list(line);
      return;
    }
    if (line.front() == '[' && line.find('=') == std::string_view::npos) table_ = table_in(line);
    const std::string_view key = trim(line.substr(0, line.find('=')));
    if (is_of_machine(key)) {
      in_list_ = line.find('=') != std::string_view::npos && begins_list(line);
      return;
    }
    all_ = add_line(all_, line);
    auto found = std::find(kTables.begin(), kTables.end(), table_);
    if (found == kTables.end()) return;
    std::uint64_t& hash = hashes_[static_cast<std::size_t>(found - kTables.begin())];
    hash = add_line(hash, line);
  }

  std::string text() const {
    std::string out(kForm);
    out += digits(all_, kForAll);
    for (std::uint64_t hash : hashes_) out += digits(hash, kForTable);
    return out;
  }

 private:
  bool is_of_machine(std::string_view key) const {
    if (std::find(kOfMachine.begin(), kOfMachine.end(), table_) != kOfMachine.end()) return true;
    return std::any_of(std::begin(kKeysOfMachine), std::end(kKeysOfMachine),
                       [&](const Key& one) { return one.table == table_ && one.key == key; });
  }

  std::string_view table_;
  bool in_list_ = false;  // over several lines, of a key that does not count
  std::uint64_t all_ = kEmpty;
  std::array<std::uint64_t, kTables.size()> hashes_ = [] {
    std::array<std::uint64_t, kTables.size()> out{};
    out.fill(kEmpty);
    return out;
  }();
};

bool is_digest(std::string_view text) {
  return text.size() == kSize && text.starts_with(kForm) &&
         text.substr(kForm.size()).find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace

std::string config_digest(const config::Loaded& loaded) {
  Digest digest;
  for (const auto& [path, text] : loaded.bundle.files) {
    bool is_named =
        std::any_of(loaded.named_files.begin(), loaded.named_files.end(),
                    [&file = path](const config::NamedFile& one) { return one.path == file; });
    bool is_own = path == loaded.bundle.main_file || path.ends_with(".toml");
    if (is_named || !is_own) continue;
    digest.begin_file();
    for (std::string_view line : split(text, '\n')) digest.add(line);
  }
  return digest.text();
}

std::optional<std::vector<std::string_view>> config_difference(std::string_view one,
                                                               std::string_view other) {
  if (!is_digest(one) || !is_digest(other)) return std::nullopt;
  std::vector<std::string_view> tables;
  for (std::size_t i = 0, at = kForm.size() + kForAll; i < kTables.size(); ++i, at += kForTable)
    if (one.substr(at, kForTable) != other.substr(at, kForTable))
      tables.push_back(kTables[i].empty() ? "top of the file" : kTables[i]);
  if (tables.empty() && one != other) tables.push_back("other tables");
  return tables;
}

}  // namespace postwain::qmgr
