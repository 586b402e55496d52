#include "qmgr/intake/upload.h"

#include "common/base/text.h"
#include "common/ipc/messages.h"

#include "qmgr/history/history_record.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

void Upload::begin() {
  Result<ContentFile> file = ContentFile::create(files_, id_);
  if (!file) return fail(file.error());
  file_ = std::make_unique<ContentFile>(file.take());
  if (rules_.head.empty()) return;
  if (Status s = file_->append(rules_.head); !s) fail(s.error());
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
  if (Status s = file_->append(bytes); !s) fail(s.error());
}

// The history finds it by its Message-ID, which stands in the beginning; that is in memory still.
void Upload::finish(std::uint64_t size) {
  if (!failed() && rules_.whole_line_ends && line_ends_.has_lone())
    refusal_ = lone_line_end_reply();
  if (!failed())
    if (Status s = file_->finish(size + rules_.head.size()); !s) fail(s.error());
  if (!failed()) {
    Result<std::string> head = files_.read(id_, 0, ipc::kInlineContentMax);
    if (head) {
      message_id_ = message_id_in(*head);
      double_bounce_ = mail::is_double_bounce(*head);
    }
  }
  existed_ = file_ && file_->existed();
  file_.reset();
}

void Upload::give_up() {
  file_.reset();
  if (!failed()) fail(Error{"given up"});
}

void Upload::take_back() {
  if (!existed_ && !failed()) (void)files_.remove(id_);
}

}  // namespace postwain::qmgr
