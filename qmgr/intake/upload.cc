#include "qmgr/intake/upload.h"

#include <cerrno>

#include "common/base/text.h"
#include "common/content/header_form.h"

#include "qmgr/history/history_record.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

void Upload::begin() {
  Result<ContentFile> file = ContentFile::create(files_, id_);
  if (!file) return fail(file.error());
  file_ = std::make_unique<ContentFile>(file.take());
  header_ = rules_.head;
}

UniqueFd Upload::lend() {
  if (failed()) return {};
  Result<UniqueFd> other = file_->lend();
  if (other) return other.take();
  fail(other.error());
  return {};
}

// After a failure nothing more is written; who sends goes on and hears of it at the end.
void Upload::append(std::string_view bytes) {
  taken_ += bytes.size();
  if (failed()) return;
  if (taken_ > rules_.size_max) {
    refusal_ = too_large_reply();
    return;
  }
  if (rules_.whole_line_ends) line_ends_.take(bytes);
  eight_bit_ = eight_bit_ || !is_ascii(bytes);
  in_body_ ? write_out(bytes) : cut_header(bytes);
}

void Upload::write_out(std::string_view bytes) {
  if (Status s = file_->append(bytes); !s) fail(s.error());
}

void Upload::cut_header(std::string_view bytes) {
  header_ += bytes;
  // A long line that comes octet by octet is not searched again and again.
  bool is_full = header_.size() > rules_.header_max;
  if (!is_full && bytes.find('\n') == std::string_view::npos) return;
  mail::HeaderEnd end = mail::find_header_end(header_, header_searched_, false);
  if (!end.found && !is_full) return;
  std::size_t apart = end.found && end.body <= rules_.header_max ? end.body : 0;
  in_body_ = true;
  write_out(std::string_view(header_).substr(apart));
  header_ = header_.substr(0, apart);  // without the room for what was written
}

void Upload::finish(std::uint64_t size) {
  if (!failed() && rules_.whole_line_ends && line_ends_.has_lone())
    refusal_ = lone_line_end_reply();
  std::uint64_t whole = size + rules_.head.size();
  if (!failed() && whole < header_.size())
    fail(Error{"less content was sent than its sender says", EMSGSIZE});
  std::uint64_t in_file = whole - header_.size();
  finish_lent(in_file, std::move(header_));
}

void Upload::finish_lent(std::uint64_t file_size, std::string header) {
  header_ = std::move(header);
  if (!failed())
    if (Status s = file_->finish(file_size); !s) fail(s.error());
  if (!failed()) look_at_header();
  existed_ = file_ && file_->existed();
  file_.reset();
}

// The history finds it by its Message-ID, which stands in the beginning; of a file that is in the
// system's memory still.
void Upload::look_at_header() {
  if (header_.empty()) {
    Result<std::string> start = files_.read(id_, 0, ipc::kInlineContentMax);
    if (start) look_at(*start);
  } else {
    look_at(header_);
  }
}

void Upload::look_at(std::string_view start) {
  message_id_ = message_id_in(start);
  double_bounce_ = mail::is_double_bounce(start);
  own_hops_ = mail::count_hops(start.substr(0, mail::header_end(start)), rules_.hostname).own;
}

void Upload::give_up() {
  file_.reset();
  if (!failed()) fail(Error{"given up"});
}

void Upload::take_back() {
  if (!existed_ && !failed()) (void)files_.remove(id_);
}

}  // namespace postwain::qmgr
