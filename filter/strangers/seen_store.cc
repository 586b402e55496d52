#include "filter/strangers/seen_store.h"

#include <algorithm>
#include <random>

#include "common/log/log.h"

namespace postwain::filter {

namespace {

HashSecret new_secret() {
  std::random_device random;
  HashSecret out{};
  for (unsigned char& octet : out) octet = static_cast<unsigned char>(random());
  return out;
}

}  // namespace

SeenStore::SeenStore(Clock& clock, const config::Greylist& terms, SeenFiles files)
    : clock_(clock), files_(std::move(files)), alarm_(clock.alarm()) {
  load(terms);
}

GreylistTable::Seconds SeenStore::now() const {
  return static_cast<GreylistTable::Seconds>(to_unix_ms(clock_.wall()) / 1000);
}

void SeenStore::load(const config::Greylist& terms) {
  std::optional<GreylistTable::Snapshot> best;
  for (std::size_t which : {0U, 1U}) {
    Result<std::string> octets = files_.read(which);
    if (octets && octets->empty()) continue;
    auto snapshot = octets ? decode_snapshot(*octets) : std::nullopt;
    if (!snapshot)
      log::Line(log::Level::warning, "seen_damaged")
          .kv("file", "seen." + std::to_string(which))
          .kv("reason", octets ? "it is damaged" : octets.error().text);
    if (snapshot && (!best || snapshot->generation > best->generation)) best = std::move(snapshot);
  }
  table_ = std::make_unique<GreylistTable>(terms, best ? best->secret : new_secret());
  if (!best) return;
  generation_ = best->generation;
  (void)table_->merge(*best);
  table_->sweep(now());
}

void SeenStore::start() {
  auto thousands = static_cast<Duration::rep>(table_->size() / 1000);
  alarm_->start(std::max(kSnapshotPauseMin, thousands * kSnapshotPause), [this] {
    take_in_others();
    table_->sweep(now());
    save();
    start();
  });
}

void SeenStore::take_in_others() {
  for (std::size_t which : {0U, 1U}) {
    std::uint64_t generation = files_.generation(which);
    if (generation <= generation_) continue;
    Result<std::string> octets = files_.read(which);
    auto snapshot = octets ? decode_snapshot(*octets) : std::nullopt;
    if (!snapshot) continue;  // it may be under way, and is looked at again
    (void)table_->merge(*snapshot);
    generation_ = snapshot->generation;
  }
}

void SeenStore::save() {
  if (!table_->changed() || !files_.is_open()) return;
  std::uint64_t generation = generation_ + 1;
  Status written = files_.write(generation % 2, table_->snapshot(generation));
  if (written) {
    generation_ = generation;
    failed_ = false;
    return;
  }
  if (!std::exchange(failed_, true))
    log::Line(log::Level::error, "seen_not_saved").kv("reason", written.error().text);
}

}  // namespace postwain::filter
