// A block of the history of a node's mail, as the nodes that share a queue read it from the
// database: records as history_record.h packs them, compressed, with a filter of the keys by which
// they are found. What is read comes from outside: whatever it is, it ends in a value. Pure.
//
// The form is a number of one octet, kBlockVersion, and the records, deflated. A block of another
// number is not read: who wrote it knows kinds of records that we do not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qmgr/history/history_record.h"
#include "qmgr/store/history_blocks.h"

namespace postwain::qmgr {

constexpr char kBlockVersion = 1;
constexpr std::size_t kBlockRecords = 64U << 10;    // octets of records that fill a block
constexpr std::size_t kBlockRecordsMax = 1U << 20;  // with the last one, which may be large
constexpr unsigned kFilterBitsPerKey = 12;          // six of a thousand other blocks match a key
constexpr std::size_t kFilterKeysMax = kFilterOctetsMax * 8 / kFilterBitsPerKey;

// What somebody may look for. The kinds do not mix.
std::uint64_t key_of(mail::QueueId id);
std::uint64_t key_of_client(std::string_view address);
// An address in any spelling of its domain, a Message-ID, or the id at the next hop.
std::uint64_t key_of_address(std::string_view text);
std::uint64_t key_of_message_id(std::string_view text);
std::uint64_t key_of_remote_id(std::string_view text);
FilterProbe probe_of(std::uint64_t key);

// By which the records are found; sorted, each once. Records that are broken have none.
std::vector<std::uint64_t> keys_of(std::string_view records);
std::string filter_of(const std::vector<std::uint64_t>& keys);
// As the database sees it.
bool matches(std::string_view filter, const FilterProbe& probe);

// The block's filter and data; nothing where it is too large for the table.
std::optional<HistoryBlock> block_of(std::string_view records);
// The records in it; nothing where it is none, or of another form.
std::optional<std::string> records_in(std::string_view data);

// Cut between records into pieces of kBlockRecords, or of one larger record. What is larger than
// kBlockRecordsMax, or is no record, is left out.
std::vector<std::string_view> pieces_of(std::string_view records);

}  // namespace postwain::qmgr
