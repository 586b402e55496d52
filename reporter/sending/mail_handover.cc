#include "reporter/sending/mail_handover.h"

#include <string_view>
#include <utility>

namespace postwain::reporter {

MailHandover::MailHandover(mail::QueueId id, mail::Envelope envelope, ipc::Arrival arrival,
                           std::string content)
    : id_(id),
      envelope_(std::move(envelope)),
      arrival_(std::move(arrival)),
      content_(std::move(content)) {}

void MailHandover::go(daemon::QmgrLink& link, std::uint64_t stored) {
  if (ended_) return;
  if (content_.size() <= ipc::kInlineContentMax) {
    ended_ = true;
    ipc::Submit submit;
    submit.id = id_;
    submit.envelope = envelope_;
    submit.arrival = arrival_;
    submit.content = content_;
    return link.send(submit);
  }
  if (!std::exchange(opened_, true)) link.send(ipc::SubmitOpen{id_, envelope_, arrival_});
  while (sent_ < content_.size() && sent_ < stored + ipc::kSubmitWindow) {
    std::string_view piece = std::string_view(content_).substr(sent_, ipc::kContentChunk);
    link.send(ipc::SubmitChunk{id_, piece});
    sent_ += piece.size();
  }
  if (sent_ < content_.size()) return;
  ended_ = true;
  link.send(ipc::SubmitEnd{id_, 0, false, sent_});
}

}  // namespace postwain::reporter
