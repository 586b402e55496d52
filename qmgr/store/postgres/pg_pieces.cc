#include "qmgr/store/postgres/pg_pieces.h"

#include <algorithm>
#include <utility>

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_piece_keys.h"
#include "qmgr/store/postgres/pg_piece_transfers.h"

namespace postwain::qmgr {

StoreResult<std::vector<bool>> PgPieces::whole(std::span<const Body> bodies) {
  PgPieceKeys keys;
  PgArray pieces(PgArray::Element::int8);
  PgArray octets(PgArray::Element::int8);
  for (const Body& one : bodies) {
    keys.add(one.id);
    pieces.number(static_cast<std::int64_t>(pieces_of(one.size)));
    octets.number(static_cast<std::int64_t>(one.size));
  }
  PgParameters parameters = std::move(keys).parameters();
  parameters.array(std::move(pieces)).array(std::move(octets));
  auto result = session_.run(Pg::count_pieces, std::move(parameters));
  if (!result) return result.error();
  std::vector<bool> whole(bodies.size(), false);
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    std::int64_t ordinality = row.number();
    if (!row.done() || ordinality < 1 || ordinality > std::ssize(bodies)) return strange_answer();
    whole[static_cast<std::size_t>(ordinality - 1)] = true;
  }
  return whole;
}

StoreStatus PgPieces::remove(std::span<const mail::QueueId> ids) {
  PgPieceKeys keys;
  for (mail::QueueId id : ids) keys.add(id);
  session_.defer(Pg::remove_pieces, std::move(keys).parameters());
  return {};
}

StoreResult<std::string> PgPieces::start(mail::QueueId id, std::size_t octets) {
  std::string start;
  auto wanted = std::min<std::uint64_t>(pieces_of(octets), kPiecesRemoved);
  PgParameters parameters;
  parameters.int2(id.bag()).int8(number_of(id)).int4(0).int8(static_cast<std::int64_t>(wanted));
  auto result = session_.run(Pg::select_pieces, std::move(parameters));
  if (!result) return result.error();
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    bool is_next = row.number() == i;
    start += row.view();
    if (!row.done()) return strange_answer();
    if (!is_next) break;
  }
  start.resize(std::min(start.size(), octets));
  return start;
}

StoreResult<ContentPieces::LeftPage> PgPieces::left(unsigned bag, mail::QueueId after,
                                                    mail::QueueId last, std::size_t limit) {
  PgParameters parameters;
  parameters.int2(session_.node())
      .int2(bag)
      .int8(number_of(after))
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::list_pieces, std::move(parameters));
  if (!result) return result.error();
  LeftPage page;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    mail::QueueId id = id_of(row.number());
    bool is_referred = row.flag();
    if (!row.done()) return strange_answer();
    if (!is_referred) page.ids.push_back(id);
    page.seen = id;
  }
  if (static_cast<std::size_t>(result->rows()) < limit) page.seen.reset();
  return page;
}

StoreResult<std::size_t> PgPieces::remove_left(mail::QueueId id) {
  PgParameters parameters;
  parameters.int2(session_.node())
      .int2(id.bag())
      .int8(number_of(id))
      .int8(static_cast<std::int64_t>(kPiecesRemoved));
  auto result = session_.run(Pg::remove_left_pieces, std::move(parameters));
  if (!result) return result.error();
  return static_cast<std::size_t>(std::max<std::int64_t>(result->changed().value_or(0), 0));
}

std::shared_ptr<PieceTransfers> PgPieces::transfers() {
  return std::make_shared<PgPieceTransfers>(session_.options(), session_.node(), session_.term());
}

}  // namespace postwain::qmgr
