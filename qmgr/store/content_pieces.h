// The bodies that lie in files (MessageInfo::in_file), of a store that several machines share: the
// store has their octets, too, in pieces. These are the truth, and the file in the spool is a copy
// that may be missing on any machine. A store of one machine alone has no pieces, and its files are
// all there is.
//
// The order that the guarantee rests on. The pieces of a body are written before the message that
// refers to them, by sessions of their own (PieceTransfers), so that a large body does not hold up
// the commits of other mail. What they write need not be synced: the commit of the message syncs
// whatever was written before it. Whoever commits the message asks within the same transaction
// whether all of its pieces are there (ContentPieces::whole), because a server that has crashed in
// between has lost them. Pieces leave in the transaction in which their message leaves. What a
// crash leaves behind is therefore only pieces without a message, and the owner of their bag
// removes them (left, remove_left).
//
// A message refers to the pieces under its id where its row says that its body is in a file, or
// where it is one compact value, which is not looked into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/queue_id.h"

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

constexpr std::size_t kPieceOctets = 8000;    // a row of it fills a page of the database
constexpr std::size_t kPiecesAtOnce = 32;     // of one round trip
constexpr std::size_t kPiecesRemoved = 2000;  // of those that are left over, in one statement

// So many pieces a body of that size has.
constexpr std::uint64_t pieces_of(std::uint64_t octets) {
  return (octets + kPieceOctets - 1) / kPieceOctets;
}

// The way between pieces and files. Any thread may call it, several at once; each call blocks until
// the database has answered, and holds one round trip's pieces in memory. What is written here is
// no part of anybody's transaction.
class PieceTransfers {
 public:
  virtual ~PieceTransfers() = default;

  // Gives the next octets, just so many, or nothing where it cannot: then the call ends.
  using Source = std::function<std::optional<std::string>(std::size_t octets)>;
  // Takes the next octets; false: no more are wanted.
  using Sink = std::function<bool(std::string_view octets)>;

  // Writes a body of that size, in the place of what is left over of a former try. Where a message
  // of the store refers to pieces of that id, they stay as they are, and this has succeeded: it is
  // the same message once more, or a conflict that its commit will find. False: the source ended.
  virtual StoreResult<bool> put(mail::QueueId id, std::uint64_t size, const Source& source) = 0;
  // The pieces of one message, once more under another id that is new.
  virtual StoreStatus copy(mail::QueueId from, mail::QueueId to) = 0;
  // Gives the body to the sink. False: not all of it is there, or the sink wants no more.
  virtual StoreResult<bool> get(mail::QueueId id, std::uint64_t size, const Sink& sink) = 0;
  // Removes the pieces under these ids that no message refers to.
  virtual StoreStatus drop(std::span<const mail::QueueId> ids) = 0;
};

// The pieces as the store's own thread sees them, within its transaction (queue_store.h).
class ContentPieces {
 public:
  virtual ~ContentPieces() = default;

  struct Body {
    mail::QueueId id;
    std::uint64_t size = 0;
  };
  // Whether all pieces of a body of that size are there, and no others under its id.
  virtual StoreResult<std::vector<bool>> whole(std::span<const Body> bodies) = 0;
  // Of messages that leave in this transaction.
  virtual StoreStatus remove(std::span<const mail::QueueId> ids) = 0;
  // Up to so many octets of the beginning; fewer where the body is shorter, or not there.
  virtual StoreResult<std::string> start(mail::QueueId id, std::size_t octets) = 0;

  // Ids in that bag with pieces that no message refers to, among those above `after` up to `last`.
  struct LeftPage {
    std::vector<mail::QueueId> ids;
    std::optional<mail::QueueId>
        seen;  // the last id that was looked at; nothing: there are no more
  };
  // Empty where the bag is another node's.
  virtual StoreResult<LeftPage> left(unsigned bag, mail::QueueId after, mail::QueueId last,
                                     std::size_t limit) = 0;
  // Removes kPiecesRemoved of such pieces; the number of those that were.
  virtual StoreResult<std::size_t> remove_left(mail::QueueId id) = 0;

  // It may be used as long as whoever has it, also behind the end of the store.
  virtual std::shared_ptr<PieceTransfers> transfers() = 0;
};

}  // namespace postwain::qmgr
