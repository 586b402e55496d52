#include "qmgr/history/lookup_hash.h"

#include "common/base/text.h"
#include "common/mail/address.h"

#include "qmgr/history/timeline.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kHashMask = (1LL << 48) - 1;

}  // namespace

// FNV-1a: stable over restarts and machines, which std::hash is not.
std::int64_t lookup_hash(LookupKind kind, std::string_view text) {
  bool fold = kind == LookupKind::address;
  std::uint64_t hash = 14695981039346656037ULL ^ static_cast<std::uint64_t>(kind);
  text = without_brackets(text);
  if (fold && text.size() > 1 && text.back() == '.') text.remove_suffix(1);
  std::string key;  // an address is looked for in any spelling of its domain
  if (fold && !is_ascii(text)) text = key = mail::Address::from_text(text).ascii_text();
  for (char c : text) {
    hash ^= static_cast<unsigned char>(fold ? ascii_lower(c) : c);
    hash *= 1099511628211ULL;
  }
  return static_cast<std::int64_t>((hash ^ hash >> 48) & static_cast<std::uint64_t>(kHashMask));
}

}  // namespace postwain::qmgr
