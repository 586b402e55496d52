#include "filter/deciding/greylist_table.h"

#include <algorithm>

namespace postwain::filter {

namespace {

constexpr std::string_view kMagic = "PWSEEN1\n";
constexpr std::size_t kDigest = 16;
// To make room for one entry:
constexpr std::size_t kShares = 16;    // a kind with less than such a part of the table stays
constexpr std::size_t kCompared = 32;  // entries
constexpr GreylistTable::Seconds kSweepEvery = 60;

GreylistTable::Seconds seconds(Duration time) {
  return static_cast<GreylistTable::Seconds>(
      std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

// A clock that was set back makes nobody older than he is.
GreylistTable::Seconds since(GreylistTable::Seconds then, GreylistTable::Seconds now) {
  return now > then ? now - then : 0;
}

void append(std::string& out, std::uint64_t number, std::size_t octets) {
  for (std::size_t i = 0; i < octets; ++i) out += static_cast<char>(number >> (8 * i));
}

std::uint64_t take(std::string_view& from, std::size_t octets) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < octets; ++i)
    out |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  from.remove_prefix(octets);
  return out;
}

std::string digest_of(const HashSecret& secret, std::string_view octets) {
  HashKey sum = KeyedHash(secret)(octets);
  std::string out;
  append(out, sum.low, 8);
  append(out, sum.high, 8);
  return out;
}

}  // namespace

// Parts cannot be mistaken for one another: a zero stands in none of them.
HashKey GreylistTable::key_of(char kind, std::initializer_list<std::string_view> parts) const {
  std::string text(1, kind);
  for (std::string_view part : parts) (text += '\0') += part;
  return hash_(text);
}

std::size_t GreylistTable::worth_of(Kind kind) {
  switch (kind) {
    case Kind::wrote:  // there may be mailings to a million
      break;
    case Kind::waiting:
    case Kind::greeted:
      return 1;
    case Kind::passed:
      return 2;
    case Kind::sender:
      return 3;
  }
  return 0;
}

bool GreylistTable::is_over(const Entry& entry, Seconds now) const {
  switch (entry.kind) {
    case Kind::waiting:
      return since(entry.first, now) > seconds(terms_.window);
    case Kind::passed:
    case Kind::sender:
    case Kind::wrote:
      return since(entry.last, now) > seconds(terms_.known);
    case Kind::greeted:
      break;
  }
  return since(entry.last, now) > seconds(kGreetedKept);
}

GreylistTable::Entry* GreylistTable::find(const HashKey& key, Seconds now) {
  auto found = entries_.find(key);
  return found == entries_.end() || is_over(found->second, now) ? nullptr : &found->second;
}

const GreylistTable::Entry* GreylistTable::find(const HashKey& key, Seconds now) const {
  auto found = entries_.find(key);
  return found == entries_.end() || is_over(found->second, now) ? nullptr : &found->second;
}

void GreylistTable::put(const HashKey& key, const Entry& entry, Seconds now) {
  if (entries_.count(key) == 0 && entries_.size() >= entries_max_) make_room(now);
  if (entries_.count(key) > 0 || entries_.size() < entries_max_) store(key, entry);
  changed_ = true;
}

void GreylistTable::store(const HashKey& key, const Entry& entry) {
  auto [place, is_new] = entries_.try_emplace(key, entry);
  if (!is_new) --of_worth_[worth_of(place->second.kind)];
  place->second = entry;
  ++of_worth_[worth_of(entry.kind)];
}

// Of some that are worth least the oldest. A kind that has less than its share of the table is let
// be, and so found quickly where it is not. Entries are counted and not the places that are looked
// at: so each has the same lot, and no part of the table is emptied before another.
void GreylistTable::make_room(Seconds now) {
  if (now >= next_sweep_) sweep(now);
  if (entries_.size() < entries_max_ || entries_.empty()) return;
  std::size_t least = 0;
  while (of_worth_[least] * kShares < entries_.size()) ++least;
  const std::pair<const HashKey, Entry>* oldest = nullptr;
  std::size_t buckets = entries_.bucket_count();
  std::size_t compared = 0;
  for (std::size_t looked = 0; looked < buckets && compared < kCompared; ++looked) {
    std::size_t bucket = next_look_ = (next_look_ + 1) % buckets;
    for (auto at = entries_.begin(bucket); at != entries_.end(bucket); ++at) {
      if (worth_of(at->second.kind) > least) continue;
      ++compared;
      if (oldest == nullptr || at->second.last < oldest->second.last) oldest = &*at;
    }
  }
  if (oldest == nullptr) return;
  --of_worth_[worth_of(oldest->second.kind)];
  entries_.erase(HashKey(oldest->first));
}

void GreylistTable::sweep(Seconds now) {
  next_sweep_ = now + kSweepEvery;
  std::size_t gone = std::erase_if(entries_, [&](const auto& one) {
    bool over = is_over(one.second, now);
    if (over) --of_worth_[worth_of(one.second.kind)];
    return over;
  });
  if (gone > 0) changed_ = true;
}

GreylistTable::Attempt GreylistTable::attempt(const std::vector<std::string>& names,
                                              std::string_view sender_domain,
                                              std::string_view recipient, Seconds now) {
  std::vector<HashKey> keys;
  for (const std::string& name : names)
    keys.push_back(key_of('t', {name, sender_domain, recipient}));
  Entry best{now, now, Kind::waiting, 0};
  for (const HashKey& key : keys) {
    const Entry* seen = find(key, now);
    if (seen == nullptr) continue;
    if (seen->kind == Kind::passed) best.kind = Kind::passed;
    best.first = std::min(best.first, seen->first);
  }
  Attempt out;
  out.seen_ago = since(best.first, now);
  Seconds wait = seconds(terms_.wait);
  out.passes = best.kind == Kind::passed || out.seen_ago >= wait;
  if (out.passes)
    best.kind = Kind::passed;
  else
    out.wait = wait - out.seen_ago;
  for (const HashKey& key : keys) put(key, best, now);
  return out;
}

void GreylistTable::delivered(const std::vector<std::string>& names, Seconds now) {
  for (const std::string& name : names) {
    HashKey key = key_of('s', {name});
    const Entry* seen = find(key, now);
    Entry next{now, now, Kind::sender, 1};
    if (seen != nullptr) next.first = seen->first;
    if (seen != nullptr)
      next.count =
          std::min<std::uint8_t>(kGoodDeliveries, static_cast<std::uint8_t>(seen->count + 1));
    put(key, next, now);
  }
}

bool GreylistTable::is_good(const std::vector<std::string>& names, Seconds now) const {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const Entry* seen = find(key_of('s', {name}), now);
    return seen != nullptr && seen->count >= kGoodDeliveries;
  });
}

void GreylistTable::wrote(std::string_view from, std::string_view to, Seconds now) {
  put(key_of('w', {from, to}), {now, now, Kind::wrote, 1}, now);
}

bool GreylistTable::has_written(std::string_view from, std::string_view to, Seconds now) const {
  return find(key_of('w', {from, to}), now) != nullptr;
}

void GreylistTable::greeted(std::string_view client, Seconds now) {
  put(key_of('g', {client}), {now, now, Kind::greeted, 1}, now);
}

bool GreylistTable::has_greeted(std::string_view client, Seconds now) const {
  return find(key_of('g', {client}), now) != nullptr;
}

// --- what outlives the process -------------------------------------------------------------------

std::string GreylistTable::snapshot(std::uint64_t generation) {
  changed_ = false;
  std::string out(kMagic);
  out.reserve(kSnapshotHead + entries_.size() * kSnapshotEntry);
  append(out, generation, 8);
  out.append(reinterpret_cast<const char*>(hash_.secret().data()), hash_.secret().size());
  std::string rest;
  rest.reserve(entries_.size() * kSnapshotEntry);
  for (const auto& [key, entry] : entries_) {
    append(rest, key.low, 8);
    append(rest, key.high, 8);
    append(rest, entry.first, 4);
    append(rest, entry.last, 4);
    append(rest, static_cast<std::uint64_t>(entry.kind), 1);
    append(rest, entry.count, 1);
  }
  append(out, entries_.size(), 8);
  std::string digest = digest_of(hash_.secret(), out + rest);
  return out + digest + rest;
}

std::optional<GreylistTable::Snapshot> decode_snapshot(std::string_view octets,
                                                       std::size_t entries_max) {
  constexpr std::size_t kHead = kSnapshotHead - kDigest;
  if (octets.size() < kHead + kDigest || !octets.starts_with(kMagic)) return std::nullopt;
  std::string_view head = octets.substr(0, kHead);
  std::string_view digest = octets.substr(kHead, kDigest);
  std::string_view rest = octets.substr(kHead + kDigest);
  std::string_view from = head.substr(kMagic.size());
  GreylistTable::Snapshot out;
  out.generation = take(from, 8);
  for (unsigned char& octet : out.secret) octet = static_cast<unsigned char>(take(from, 1));
  std::uint64_t count = take(from, 8);
  if (count > entries_max || rest.size() < count * kSnapshotEntry) return std::nullopt;
  rest = rest.substr(0, count * kSnapshotEntry);  // behind it is what an older, longer one has left
  if (digest_of(out.secret, std::string(head) + std::string(rest)) != digest) return std::nullopt;
  out.entries.reserve(count);
  while (!rest.empty()) {
    HashKey key;
    key.low = take(rest, 8);
    key.high = take(rest, 8);
    GreylistTable::Entry entry;
    entry.first = static_cast<GreylistTable::Seconds>(take(rest, 4));
    entry.last = static_cast<GreylistTable::Seconds>(take(rest, 4));
    std::uint64_t kind = take(rest, 1);
    if (kind > static_cast<std::uint64_t>(GreylistTable::Kind::wrote)) return std::nullopt;
    entry.kind = static_cast<GreylistTable::Kind>(kind);
    entry.count = static_cast<std::uint8_t>(take(rest, 1));
    out.entries.emplace_back(key, entry);
  }
  return out;
}

bool GreylistTable::merge(const Snapshot& other) {
  if (other.secret != hash_.secret()) return false;
  for (const auto& [key, entry] : other.entries) {
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      if (entries_.size() < entries_max_) store(key, entry);
      continue;
    }
    Entry own = found->second;
    own.first = std::min(own.first, entry.first);
    own.last = std::max(own.last, entry.last);
    own.count = std::max(own.count, entry.count);
    if (own.kind == Kind::waiting) own.kind = entry.kind;
    store(key, own);
  }
  return true;
}

}  // namespace postwain::filter
