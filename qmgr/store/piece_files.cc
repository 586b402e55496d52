#include "qmgr/store/piece_files.h"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace postwain::qmgr {

namespace {

Error missing_for_now(std::string text) {
  return {std::move(text), EAGAIN};
}

}  // namespace

StoreStatus store_file(PieceTransfers& transfers, const ContentFolder& files, mail::QueueId id,
                       std::uint64_t size) {
  std::uint64_t at = 0;
  std::string why = "its file is not there, or has another size than it should";
  auto next = [&](std::size_t octets) -> std::optional<std::string> {
    if (at == 0 && !files.open(id, size)) return std::nullopt;
    Result<std::string> read = files.read(id, at, octets);
    if (!read) {
      why = read.error().text;
      return std::nullopt;
    }
    at += read->size();
    return read.take();
  };
  StoreResult<bool> done = transfers.put(id, size, next);
  if (!done) return done.error();
  if (!*done) return StoreError{StoreError::Kind::refused, std::move(why)};
  return {};
}

Status make_file(PieceTransfers& transfers, const ContentFolder& files, mail::QueueId id,
                 std::uint64_t size) {
  if (files.open(id, size)) return {};
  // One that is there has another size, and is no copy of the body.
  Status status = files.remove(id);
  if (!status) return missing_for_now(status.error().text);
  Result<ContentFile> file = ContentFile::create(files, id);
  if (!file) return missing_for_now(file.error().text);
  auto next = [&](std::string_view octets) {
    status = file->append(octets);
    return status.ok();
  };
  StoreResult<bool> done = transfers.get(id, size, next);
  if (!done) return missing_for_now(done.error().text);
  if (!status) return missing_for_now(status.error().text);
  if (!*done) return Error{fmt::format("{}: the store has not all of its content", id.text()), EIO};
  if (status = file->finish(size); !status) return missing_for_now(status.error().text);
  return {};
}

}  // namespace postwain::qmgr
