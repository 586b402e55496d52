// Who was seen: attempts of strangers that were put off, clients and owners whose mail was good,
// clients that waited for our greeting, and whom our users wrote to. Names are hashes; the table
// tells nothing without its secret, and not much with it. Bounded: when it is full, what anybody
// can bring about in any number makes room, so that whoever floods it makes it forget nobody who is
// known. Losing all of it costs delays only. Pure; time is seconds since 1970, since what is kept
// outlives the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/config/table/strangers.h"
#include "filter/deciding/keyed_hash.h"

namespace postwain::filter {

constexpr std::size_t kGreylistEntriesMax = 1'000'000;
constexpr std::uint8_t kGoodDeliveries = 2;  // from then on nothing is delayed
constexpr Duration kGreetedKept = std::chrono::hours(7 * 24);

class GreylistTable {
 public:
  using Seconds = std::uint32_t;

  GreylistTable(const config::Greylist& terms, const HashSecret& secret,
                std::size_t entries_max = kGreylistEntriesMax)
      : terms_(terms), hash_(secret), entries_max_(entries_max) {}

  struct Attempt {
    bool passes = false;
    Seconds seen_ago = 0;  // the first time; 0: now
    Seconds wait = 0;      // until it passes
  };
  // A stranger, by all the names it goes by (its network, its owner), tries to send to a recipient.
  // One name that is known is enough.
  Attempt attempt(const std::vector<std::string>& names, std::string_view sender_domain,
                  std::string_view recipient, Seconds now);

  // A message of his was taken, and nobody had anything against it.
  void delivered(const std::vector<std::string>& names, Seconds now);
  bool is_good(const std::vector<std::string>& names, Seconds now) const;
  // One of us has written to somebody; both addresses in lower case.
  void wrote(std::string_view from, std::string_view to, Seconds now);
  bool has_written(std::string_view from, std::string_view to, Seconds now) const;
  // The client has waited for the greeting.
  void greeted(std::string_view client, Seconds now);
  bool has_greeted(std::string_view client, Seconds now) const;

  std::size_t size() const { return entries_.size(); }
  bool changed() const { return changed_; }
  // Forgets what is over.
  void sweep(Seconds now);

  // All of it, with the secret; what decode_snapshot() takes. changed() is false afterwards.
  std::string snapshot(std::uint64_t generation);
  struct Snapshot;
  // What somebody else with the same secret has seen meanwhile. False: it has another secret.
  bool merge(const Snapshot& other);

 private:
  enum class Kind : std::uint8_t { waiting, passed, sender, greeted, wrote };
  struct Entry {
    Seconds first = 0;
    Seconds last = 0;
    Kind kind = Kind::waiting;
    std::uint8_t count = 0;
  };
  struct Spread {
    std::size_t operator()(const HashKey& key) const { return static_cast<std::size_t>(key.low); }
  };

  HashKey key_of(char kind, std::initializer_list<std::string_view> parts) const;
  static std::size_t worth_of(Kind kind);  // below kWorths
  bool is_over(const Entry& entry, Seconds now) const;
  Entry* find(const HashKey& key, Seconds now);
  const Entry* find(const HashKey& key, Seconds now) const;
  void put(const HashKey& key, const Entry& entry, Seconds now);
  void store(const HashKey& key, const Entry& entry);
  void make_room(Seconds now);

  config::Greylist terms_;
  KeyedHash hash_;
  std::size_t entries_max_;
  std::unordered_map<HashKey, Entry, Spread> entries_;
  static constexpr std::size_t kWorths = 4;
  std::array<std::size_t, kWorths> of_worth_{};  // entries
  std::size_t next_look_ = 0;                    // among the buckets, where room was made last
  Seconds next_sweep_ = 0;
  bool changed_ = false;

  friend struct Snapshot;
  friend std::optional<Snapshot> decode_snapshot(std::string_view octets, std::size_t entries_max);
};

struct GreylistTable::Snapshot {
  std::uint64_t generation = 0;
  HashSecret secret{};
  std::vector<std::pair<HashKey, Entry>> entries;
};
constexpr std::size_t kSnapshotHead = 56;   // octets: magic, generation, secret, number, digest
constexpr std::size_t kSnapshotEntry = 26;  // octets
// Nothing: the octets are damaged, or no snapshot.
std::optional<GreylistTable::Snapshot> decode_snapshot(
    std::string_view octets, std::size_t entries_max = kGreylistEntriesMax);

}  // namespace postwain::filter
