// Bodies between their files (qmgr/disk/content_files.h) and the pieces that the store has of them
// (content_pieces.h), in steps of bounded memory. Both block.
#pragma once

#include <cstdint>

#include "common/base/result.h"
#include "common/mail/queue_id.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/store/content_pieces.h"

namespace postwain::qmgr {

// The octets of the file, which must be just so many, become pieces. refused: the file cannot be
// read.
StoreStatus store_file(PieceTransfers& transfers, const ContentFolder& files, mail::QueueId id,
                       std::uint64_t size);

// The file is there, synced and of that size, made of the pieces where it was not. The error's code
// is EIO where they are not all there, and the body is lost; any other failure is is_temporary():
// what is missing is the database, or room on the disk.
Status make_file(PieceTransfers& transfers, const ContentFolder& files, mail::QueueId id,
                 std::uint64_t size);

}  // namespace postwain::qmgr
