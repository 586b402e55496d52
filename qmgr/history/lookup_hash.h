// The keys by which messages of the history are found.
#pragma once

#include <cstdint>
#include <string_view>

namespace postwain::qmgr {

// The key under which a text is found: its kind is mixed in, letter case is not for addresses.
// Below 2^48, and the same on all machines.
enum class LookupKind : std::uint8_t { address, message_id, remote_id, part };
std::int64_t lookup_hash(LookupKind kind, std::string_view text);

}  // namespace postwain::qmgr
