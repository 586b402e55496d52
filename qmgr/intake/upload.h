// The content of one message on its way into its file. Used by one content thread after another, in
// the order of its jobs (content_worker.h); what became of it is read on the loop afterwards.
//
// The file gets the body, and the header section stays apart (MessageInfo). Of what comes in chunks
// it is cut off here; whoever is lent the file writes the body alone and brings the header section
// at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/fair_share.h"
#include "common/base/file.h"
#include "common/content/content_fields.h"
#include "common/ipc/messages.h"
#include "common/mail/queue_id.h"
#include "common/mail/reply.h"

#include "qmgr/disk/content_files.h"

namespace postwain::qmgr {

// A header section that comes in chunks stays in memory until it has ended, and any local user can
// submit mail. So all messages that come in at the same time share this much memory. A header
// section that is larger than its share goes into the file together with the body, where filters
// cannot change it.
constexpr SharedRoom kHeadersOfChunks{16U << 20, 64U << 10, ipc::kHeaderApartMax};

struct UploadRules {
  std::string head;                                 // goes before what comes: our Received field
  std::string hostname;                             // by which our own Received fields are known
  bool whole_line_ends = false;                     // a lone CR or LF refuses the message
  std::uint64_t size_max = UINT64_MAX;              // of what comes
  std::size_t header_max = kHeadersOfChunks.least;  // of a header section that comes in chunks
};

class Upload {
 public:
  Upload(ContentFolder files, mail::QueueId id, UploadRules rules)
      : files_(std::move(files)), id_(id), rules_(std::move(rules)) {}

  void begin();
  // For the process that writes it itself; empty after a failure.
  UniqueFd lend();
  void append(std::string_view bytes);
  // size: what has come in chunks, by the word of who brought it. Then it is on the disk under its
  // name.
  void finish(std::uint64_t size);
  // The same of a file that was lent and has that size by now. header: what goes before it, if
  // anything.
  void finish_lent(std::uint64_t file_size, std::string header);
  void give_up();  // nothing of it stays
  // After finish(): the message is not stored after all.
  void take_back();

  bool failed() const { return error_ || refusal_; }
  // Why not, for the log; and for whoever brought it, where it was his fault.
  const std::optional<Error>& error() const { return error_; }
  const std::optional<mail::Reply>& refusal() const { return refusal_; }
  std::size_t head_size() const { return rules_.head.size(); }
  // What lies apart from the file; empty: nothing. To be taken once, after the end.
  std::string take_header() { return std::move(header_); }
  // Of what was appended here, not of what another process wrote.
  bool eight_bit() const { return eight_bit_; }
  const std::string& message_id() const { return message_id_; }
  // Its header bears the mark of our reports to the postmaster.
  bool double_bounce() const { return double_bounce_; }
  // Received fields of this host in its header, with the one that goes before it.
  std::size_t own_hops() const { return own_hops_; }

 private:
  void fail(const Error& why) { error_ = why; }
  void cut_header(std::string_view bytes);
  void write_out(std::string_view bytes);
  void look_at_header();
  void look_at(std::string_view start);

  ContentFolder files_;
  mail::QueueId id_;
  UploadRules rules_;
  std::unique_ptr<ContentFile> file_;
  std::string header_;               // of chunks: what has come of it
  std::size_t header_searched_ = 0;  // find_header_end
  bool in_body_ = false;             // of chunks: all that comes now goes into the file
  mail::LineEnds line_ends_;
  std::uint64_t taken_ = 0;
  bool eight_bit_ = false;
  bool existed_ = false;  // the same content was there before
  std::optional<Error> error_;
  std::optional<mail::Reply> refusal_;
  std::string message_id_;
  bool double_bounce_ = false;
  std::size_t own_hops_ = 0;
};

}  // namespace postwain::qmgr
