#include "smtpd/handover.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/text.h"

namespace postwain::smtpd {

mail::Reply queue_unavailable() {
  return {451, {4, 3, 0}, "Queue unavailable, try again later"};
}

Handover::Handover(QmgrPort& port, Owner& owner, mail::QueueId id, mail::Envelope envelope,
                   ipc::Arrival arrival)
    : port_(port),
      owner_(owner),
      id_(id),
      envelope_(std::move(envelope)),
      arrival_(std::move(arrival)) {
  ++port_.past_data();
}

Handover::~Handover() {
  if (!over_) --port_.past_data();
  if (over_ || !(streaming_ || ended_)) return;
  port_.forget(id_);
  if (!ended_ && port_.up()) port_.send(ipc::SubmitAbort{id_});
}

void Handover::set_tls_required_no() {
  PW_CHECK(!streaming_ && !finished_);
  // RFC 8689 4: the field is ignored where REQUIRETLS was given.
  envelope_.tls_required_no = !envelope_.require_tls;
}

void Handover::grow(std::string& content) {
  if (over_) return content.clear();
  if (!streaming_ && content.size() <= ipc::kInlineContentMax) return;
  if (!streaming_) open_stream();
  if (!over_) stream(content);
}

void Handover::open_stream() {
  if (!port_.up()) return conclude(queue_unavailable());
  streaming_ = true;
  port_.watch(id_, *this);
  port_.send(ipc::SubmitOpen{id_, envelope_, arrival_});
}

// Sends chunks while the window is open and takes them out of the buffer.
void Handover::stream(std::string& content) {
  std::size_t done = 0;
  while (done < content.size() && !window_full()) {
    std::string_view chunk = std::string_view(content).substr(done, ipc::kContentChunk);
    if (!eight_bit_) eight_bit_ = !is_ascii(chunk);
    port_.send(ipc::SubmitChunk{id_, chunk});
    sent_ += chunk.size();
    done += chunk.size();
  }
  content.erase(0, done);
}

void Handover::finish(std::string& content) {
  PW_CHECK(!finished_);
  finished_ = true;
  if (over_) return;
  size_ = sent_ + content.size();
  if (!streaming_ && content.size() > ipc::kInlineContentMax) open_stream();
  if (over_) return;
  if (streaming_) {
    stream(content);
    rest_ = &content;
    if (content.empty()) end_stream();
    return;
  }
  if (!port_.up()) return conclude(queue_unavailable());
  port_.watch(id_, *this);
  ended_ = true;
  ipc::Submit message{
      id_,    port_.past_data(), std::move(envelope_), std::move(arrival_), !is_ascii(content),
      content};
  port_.send(message);
  envelope_ = std::move(message.envelope);
  arrival_ = std::move(message.arrival);
}

void Handover::end_stream() {
  ended_ = true;
  rest_ = nullptr;
  port_.send(ipc::SubmitEnd{id_, port_.past_data(), eight_bit_, size_});
}

void Handover::stored(std::uint64_t bytes) {
  if (over_ || bytes < stored_ || bytes > sent_) return;
  bool was_full = window_full();
  stored_ = bytes;
  if (rest_ != nullptr) {
    stream(*rest_);
    if (rest_->empty()) end_stream();
    return;
  }
  if (was_full && !window_full()) owner_.window_opened();
}

void Handover::result(const mail::Reply& reply) {
  port_.forget(id_);
  conclude(reply);
}

void Handover::give_up() {
  port_.forget(id_);
  if (streaming_ && !ended_ && port_.up()) port_.send(ipc::SubmitAbort{id_});
  conclude(queue_unavailable());
}

void Handover::lost() {
  conclude(queue_unavailable());
}

void Handover::conclude(const mail::Reply& reply) {
  if (over_) return;
  over_ = true;
  --port_.past_data();
  owner_.handed_over(reply);
}

}  // namespace postwain::smtpd
