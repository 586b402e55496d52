// What a batch does with bodies that the store has in pieces (content_pieces.h).
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/writing/batch_writer.h"

namespace postwain::qmgr {

// Those whose bodies the store has not whole: a database that has crashed since they were written
// has lost them.
StoreResult<std::set<const AcceptRequest*>> BatchWriter::lacking_pieces(
    std::span<const std::unique_ptr<AcceptRequest>> requests) {
  std::set<const AcceptRequest*> lacking;
  ContentPieces* pieces = store_.pieces();
  if (pieces == nullptr) return lacking;
  std::vector<ContentPieces::Body> bodies;
  std::vector<const AcceptRequest*> whose;
  auto add = [&](const AcceptRequest* request, const MessageInfo& info) {
    bodies.push_back({info.id, info.size_of_file()});
    whose.push_back(request);
  };
  for (const auto& request : requests) {
    if (!request->submission.message.info.in_file) continue;
    add(request.get(), request->submission.message.info);
    for (const NewMessage& part : request->submission.parts) add(request.get(), part.info);
  }
  if (bodies.empty()) return lacking;
  auto whole = pieces->whole(bodies);
  if (!whole) return whole.error();
  for (std::size_t i = 0; i < bodies.size(); ++i)
    if (!(*whole)[i]) lacking.insert(whose[i]);
  return lacking;
}

// What came of the same transaction before counts, if anything did.
StoreStatus BatchWriter::refuse_lacking(AcceptRequest& request) {
  const NewMessage& message = request.submission.message;
  auto known = QueueReader(store_).has_message(message.info.id);
  if (!known) return known.error();
  request.end = AcceptEnd::failed;
  request.error = "the database has not all of its content";
  if (!*known || message.judged) return {};
  StoreResult<AcceptEnd> end = end_of_duplicate(message);
  if (!end) return end.error();
  request.end = *end;
  return {};
}

// With a message goes what the store has of its file.
StoreStatus BatchWriter::remove_pieces(std::span<const std::unique_ptr<SettleRequest>> requests) {
  ContentPieces* pieces = store_.pieces();
  std::vector<mail::QueueId> ids;
  for (const auto& request : requests)
    if (request->settled.content_file_removed) ids.push_back(request->settled.id);
  return pieces == nullptr || ids.empty() ? StoreStatus() : pieces->remove(ids);
}

}  // namespace postwain::qmgr
