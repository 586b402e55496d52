#include "qmgr/history/history_block.h"

#include <algorithm>

#include "qmgr/history/deflate.h"
#include "qmgr/history/lookup_hash.h"

namespace postwain::qmgr {

namespace {

constexpr std::uint64_t kIdSalt = 0x51D5A1B2C3D4E5F6ULL;
constexpr std::uint64_t kClientSalt = 0x2545F4914F6CDD1DULL;

// Each bit of the value changes half of the result.
std::uint64_t mixed(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xFF51AFD7ED558CCDULL;
  value ^= value >> 33;
  value *= 0xC4CEB9FE1A85EC53ULL;
  return value ^ value >> 33;
}

std::uint64_t key_of_text(LookupKind kind, std::string_view text) {
  return mixed(static_cast<std::uint64_t>(lookup_hash(kind, text)));
}

void add_address_key(std::vector<std::uint64_t>& keys, std::string_view address) {
  if (!address.empty()) keys.push_back(key_of_address(address));
}

void add_arrival_keys(std::vector<std::uint64_t>& keys, const ArrivalRecord& r) {
  keys.push_back(key_of(r.id));
  if (r.part_of.value != 0) keys.push_back(key_of(r.part_of));
  add_address_key(keys, r.sender);
  add_address_key(keys, r.given_sender);
  if (!r.message_id.empty()) keys.push_back(key_of_message_id(r.message_id));
  for (const ArrivalRecord::To& to : r.recipients) {
    add_address_key(keys, to.address);
    add_address_key(keys, to.given);
  }
}

void add_event_keys(std::vector<std::uint64_t>& keys, const EventRecord& r) {
  keys.push_back(key_of(r.id));
  add_address_key(keys, r.recipient);
  if (r.kind != HistoryKind::delivered) return;
  if (std::string_view remote = remote_queue_id(r.text); !remote.empty())
    keys.push_back(key_of_remote_id(remote));
}

void add_refusal_keys(std::vector<std::uint64_t>& keys, const RefusalRecord& r) {
  add_address_key(keys, r.sender);
  add_address_key(keys, r.recipient);
  if (!r.client.empty()) keys.push_back(key_of_client(r.client));
}

std::uint64_t bit_of_probe(const FilterProbe& probe, unsigned i, std::uint64_t bits) {
  return (std::uint64_t{probe.first} + std::uint64_t{i} * probe.second) % bits;
}

}  // namespace

std::uint64_t key_of(mail::QueueId id) {
  return mixed(id.value ^ kIdSalt);
}

std::uint64_t key_of_client(std::string_view address) {
  return mixed(key_of_text(LookupKind::message_id, address) ^ kClientSalt);
}

std::uint64_t key_of_address(std::string_view text) {
  return key_of_text(LookupKind::address, text);
}

std::uint64_t key_of_message_id(std::string_view text) {
  return key_of_text(LookupKind::message_id, text);
}

std::uint64_t key_of_remote_id(std::string_view text) {
  return key_of_text(LookupKind::remote_id, text);
}

FilterProbe probe_of(std::uint64_t key) {
  return {static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key)};
}

std::vector<std::uint64_t> keys_of(std::string_view records) {
  std::vector<std::uint64_t> keys;
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  for (;;) {
    switch (reader.next(arrival, event)) {
      case RecordReader::Kind::arrival:
        add_arrival_keys(keys, arrival);
        break;
      case RecordReader::Kind::event:
      case RecordReader::Kind::known:
        add_event_keys(keys, event);
        break;
      case RecordReader::Kind::refusal:
        add_refusal_keys(keys, reader.refusal());
        break;
      case RecordReader::Kind::judgements:
        keys.push_back(key_of(reader.judgements().id));
        break;
      case RecordReader::Kind::end:
      case RecordReader::Kind::broken:
        std::sort(keys.begin(), keys.end());
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
        return keys;
    }
  }
}

// More keys than a filter has room for are found by it as well, together with others.
std::string filter_of(const std::vector<std::uint64_t>& keys) {
  std::size_t counted = std::clamp<std::size_t>(keys.size(), 1, kFilterKeysMax);
  std::string filter((counted * kFilterBitsPerKey + 7) / 8, '\0');
  for (std::uint64_t key : keys)
    for (unsigned i = 0; i < kFilterProbes; ++i) {
      std::uint64_t bit = bit_of_probe(probe_of(key), i, filter.size() * 8);
      auto octet = static_cast<unsigned char>(filter[bit / 8]);
      filter[bit / 8] = static_cast<char>(octet | 1U << bit % 8);
    }
  return filter;
}

bool matches(std::string_view filter, const FilterProbe& probe) {
  if (filter.empty()) return false;
  for (unsigned i = 0; i < kFilterProbes; ++i) {
    std::uint64_t bit = bit_of_probe(probe, i, filter.size() * 8);
    if ((static_cast<unsigned char>(filter[bit / 8]) >> bit % 8 & 1U) == 0) return false;
  }
  return true;
}

std::optional<HistoryBlock> block_of(std::string_view records) {
  HistoryBlock block;
  block.data = kBlockVersion + deflated(records);
  if (block.data.size() > kBlockOctetsMax || records.size() > kBlockRecordsMax) return std::nullopt;
  block.filter = filter_of(keys_of(records));
  return block;
}

std::optional<std::string> records_in(std::string_view data) {
  if (data.empty() || data.front() != kBlockVersion) return std::nullopt;
  return inflated(data.substr(1), kBlockRecordsMax);
}

std::vector<std::string_view> pieces_of(std::string_view records) {
  std::vector<std::string_view> pieces;
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  for (bool joins = false;;) {
    RecordReader::Kind kind = reader.next(arrival, event);
    if (kind == RecordReader::Kind::end || kind == RecordReader::Kind::broken) return pieces;
    std::string_view one = reader.octets();
    if (one.size() > kBlockRecordsMax) {
      joins = false;
      continue;
    }
    if (joins && pieces.back().size() + one.size() <= kBlockRecords)
      pieces.back() = {pieces.back().data(), pieces.back().size() + one.size()};
    else
      pieces.push_back(one);
    joins = true;
  }
}

}  // namespace postwain::qmgr
