#include "qmgr/store/postgres/keeper/pg_requests.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "qmgr/cluster/values.h"

namespace postwain::qmgr {

namespace {

using Pieces = std::map<std::int64_t, std::string>;  // by their number

// All pieces of an answer are written and taken together.
bool is_whole(const Pieces& pieces) {
  std::size_t octets = 0;
  for (const auto& [no, data] : pieces) octets += data.size();
  return !pieces.empty() && pieces.begin()->first == 0 &&
         pieces.rbegin()->first == static_cast<std::int64_t>(pieces.size()) - 1 &&
         octets <= kAnswerMax;
}

PgArray pieces_of(std::string_view data) {
  PgArray pieces(PgArray::Element::bytea);
  do {
    pieces.bytes(data.substr(0, kAnswerPiece));
    data.remove_prefix(std::min(data.size(), kAnswerPiece));
  } while (!data.empty());
  return pieces;
}

}  // namespace

StoreResult<bool> PgRequests::ask(const NodeRequest& request) {
  auto done = session_.write({{Pg::put_request, PgParameters()
                                                    .int2(request.to)
                                                    .int2(session_.node())
                                                    .int8(request.number)
                                                    .int2(request.kind)
                                                    .int8(request.within.count())
                                                    .bytes(request.data)
                                                    .int8(kRequestsPerNode)}},
                             PgKeeperSession::Sync::later);
  if (!done) return done.error();
  return done->front().changed() == 1;
}

// Synced: what was served is not to lie there again after a crash of the database.
StoreResult<std::vector<NodeRequest>> PgRequests::take_requests(std::size_t most) {
  auto limit = static_cast<std::int64_t>(std::min(most, kRequestsAtOnce));
  auto taken =
      session_.write({{Pg::take_requests, PgParameters().int2(session_.node()).int8(limit)}});
  if (!taken) return taken.error();
  std::vector<NodeRequest> found;
  for (int i = 0; i < taken->front().rows(); ++i) {
    PgReader row(taken->front(), i);
    auto from = cluster::node_number(row.number());
    NodeRequest one;
    one.to = static_cast<std::uint8_t>(session_.node());
    one.number = row.number();
    one.kind = row.number();
    one.within = Duration(row.number());
    one.data = row.text();
    if (!row.done() || !from || one.data.size() > kRequestMax) return strange_answer();
    one.from = from->value;
    if (one.within > Duration(0)) found.push_back(std::move(one));
  }
  return found;
}

StoreStatus PgRequests::answer(const NodeAnswer& answer) {
  auto done = session_.write({{Pg::put_answer, PgParameters()
                                                   .int2(answer.to)
                                                   .int8(answer.number)
                                                   .int2(answer.code)
                                                   .array(pieces_of(answer.data))}},
                             PgKeeperSession::Sync::later);
  return done ? StoreStatus() : StoreStatus(done.error());
}

StoreResult<std::vector<NodeAnswer>> PgRequests::take_answers() {
  auto taken = session_.write(
      {{Pg::take_answers,
        PgParameters().int2(session_.node()).int8(static_cast<std::int64_t>(kAnswersAtOnce))}},
      PgKeeperSession::Sync::later);
  if (!taken) return taken.error();
  std::map<std::int64_t, std::pair<NodeAnswer, Pieces>> found;
  for (int i = 0; i < taken->front().rows(); ++i) {
    PgReader row(taken->front(), i);
    std::int64_t number = row.number();
    auto& [answer, pieces] = found[number];
    std::int64_t no = row.number();
    answer.to = static_cast<std::uint8_t>(session_.node());
    answer.number = number;
    answer.code = static_cast<int>(row.number());
    pieces[no] = row.text();
    if (!row.done()) return strange_answer();
  }
  std::vector<NodeAnswer> answers;
  for (auto& [number, one] : found) {
    if (!is_whole(one.second)) return strange_answer();
    for (const auto& [no, data] : one.second) one.first.data += data;
    answers.push_back(std::move(one.first));
  }
  return answers;
}

StoreStatus PgRequests::sweep() {
  const std::int64_t kept = kRequestsKept.count();
  auto done = session_.write({{Pg::sweep_requests, PgParameters().int8(kept)},
                              {Pg::sweep_answers, PgParameters().int8(kept)}},
                             PgKeeperSession::Sync::later);
  return done ? StoreStatus() : StoreStatus(done.error());
}

}  // namespace postwain::qmgr
