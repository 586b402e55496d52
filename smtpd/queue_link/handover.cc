#include "smtpd/queue_link/handover.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/check.h"
#include "common/base/text.h"

namespace postwain::smtpd {

namespace {

// A write goes to another thread; smaller ones are not worth that, but where memory is short.
constexpr std::size_t kWriteAtLeast = 128U << 10;

// Very many recipients with long addresses: 8 MiB of them. Sending the same again would not help.
mail::Reply too_large_envelope() {
  return {552, {5, 3, 4}, "Envelope too large for this system"};
}

mail::Reply queue_full() {
  return {452, {4, 3, 1}, "Mail system full, try again later"};
}

}  // namespace

mail::Reply queue_unavailable() {
  return {451, {4, 3, 0}, "Queue unavailable, try again later"};
}

std::string_view queue_reason(const mail::Reply& reply) {
  const mail::EnhancedCode& code = reply.enhanced;
  if (reply.transient() && code.subject == 7) return "account_over_rate";
  if (code.subject == 3 && code.detail == 1) return "queue_full";
  const bool expansion =
      (code.subject == 3 && code.detail == 5) || (code.subject == 2 && code.detail == 4);
  if (expansion) return "aliases";
  return reply.permanent() ? "content" : "queue";
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

void Handover::set_unsigned() {
  PW_CHECK(!streaming_ && !finished_);
  envelope_.sign = mail::Signing::none;
}

void Handover::change_envelope(mail::Envelope envelope) {
  PW_CHECK(!finished_);
  envelope_ = std::move(envelope);
  envelope_changed_ = streaming_;
}

bool Handover::change_header(std::string section, std::string& content) {
  PW_CHECK(!finished_);
  if (section.size() > ipc::kHeaderApartMax) return false;
  if (!streaming_)
    content.replace(0, header_size_, section);
  else if (!header_.empty())
    header_ = section;
  else
    return false;
  header_size_ = section.size();
  return true;
}

bool Handover::replace_body(std::string& content) {
  PW_CHECK(!finished_);
  if (!streaming_) {
    content.resize(header_size_);
    return true;
  }
  if (header_.empty()) return false;
  content.clear();
  anew_ = true;
  eight_bit_ = false;
  written_ = 0;
  return true;
}

void Handover::grow(std::string& content) {
  if (over_) return content.clear();
  if (!streaming_ && content.size() <= ipc::kInlineContentMax) return;
  if (!streaming_) open_stream(content);
  if (!over_) write_out(content);
}

void Handover::open_stream(std::string& content) {
  if (!port_.up()) return conclude(queue_unavailable());
  if (!port_.send(ipc::SubmitOpen{id_, envelope_, arrival_})) return conclude(too_large_envelope());
  streaming_ = true;
  port_.watch(id_, *this);
  if (header_size_ > ipc::kHeaderApartMax) return;
  header_.assign(content, 0, header_size_);
  content.erase(0, header_size_);
}

void Handover::write_out(std::string& content) {
  bool nothing = content.empty() && !(anew_ && finished_);
  if (!file_ || is_writing_ || nothing) return;
  if (content.size() < std::min(kWriteAtLeast, share() / 2) && !finished_) return;
  if (!eight_bit_) eight_bit_ = !is_ascii(content);
  writing_ = content.size();
  is_writing_ = true;
  port_.write(id_, file_, std::exchange(content, std::move(spare_)), std::exchange(anew_, false));
}

void Handover::finish(std::string& content) {
  PW_CHECK(!finished_);
  finished_ = true;
  if (over_) return;
  size_ = octets_so_far(content);
  if (!streaming_ && content.size() > ipc::kInlineContentMax) open_stream(content);
  if (over_) return;
  if (streaming_) {
    rest_ = &content;
    return go_on();
  }
  if (!port_.up()) return conclude(queue_unavailable());
  ipc::Submit message{
      id_,    port_.past_data(), std::move(envelope_), std::move(arrival_), !is_ascii(content),
      content};
  tell_of_filters();
  bool sent = port_.send(message);
  envelope_ = std::move(message.envelope);
  arrival_ = std::move(message.arrival);
  if (!sent) return conclude(too_large_envelope());
  port_.watch(id_, *this);
  ended_ = true;
}

void Handover::go_on() {
  if (rest_ == nullptr) return owner_.window_opened();
  write_out(*rest_);
  if (!over_ && file_ && !is_writing_ && rest_->empty()) end_stream();
}

void Handover::end_stream() {
  ended_ = true;
  rest_ = nullptr;
  file_.reset();
  ipc::SubmitFinal message{
      id_, port_.past_data(), eight_bit_, size_ - header_.size(), std::nullopt, header_};
  if (envelope_changed_) message.envelope = envelope_;
  tell_of_filters();
  if (!port_.send(message)) {
    ended_ = false;
    return withdraw(too_large_envelope());
  }
  std::string().swap(header_);
}

// In front of the end, which they belong to.
void Handover::tell_of_filters() {
  if (!hold_.empty()) port_.send(ipc::Hold{id_, hold_});
  if (!judgements_.empty()) port_.send(ipc::Judged{id_, judgements_});
}

void Handover::tell_discarded(const std::string& filter, const mail::Envelope& envelope,
                              std::string_view content) {
  if (over_ || !port_.up()) return;
  std::string_view header =
      header_.empty() ? content.substr(0, header_size_) : std::string_view(header_);
  port_.send(ipc::Discarded{id_, envelope, arrival_, octets_so_far(content), filter,
                            header.substr(0, ipc::kDiscardedHeaderMax), judgements_});
}

void Handover::lent(UniqueFd file) {
  if (over_ || file_ || ended_) return;
  if (!file) return withdraw(queue_unavailable());
  file_ = std::make_shared<LentFile>();
  file_->descriptor = std::move(file);
  go_on();
}

void Handover::written(const Status& status, std::string buffer) {
  if (over_) return;
  if (!status) {
    bool full = status.error().code == ENOSPC || status.error().code == EDQUOT;
    return withdraw(full ? queue_full() : queue_unavailable());
  }
  is_writing_ = false;
  // What was written of a body that is being replaced does not count.
  std::size_t octets = std::exchange(writing_, 0);
  if (!anew_) written_ += octets;
  if (buffer.capacity() <= share()) spare_ = std::move(buffer);
  go_on();
}

void Handover::result(const mail::Reply& reply) {
  port_.forget(id_);
  conclude(reply);
}

void Handover::give_up() {
  withdraw(queue_unavailable());
}

void Handover::withdraw(const mail::Reply& reply) {
  port_.forget(id_);
  if (streaming_ && !ended_ && port_.up()) port_.send(ipc::SubmitAbort{id_});
  conclude(reply);
}

void Handover::lost() {
  conclude(queue_unavailable());
}

void Handover::conclude(const mail::Reply& reply) {
  if (over_) return;
  over_ = true;
  file_.reset();
  std::string().swap(header_);
  --port_.past_data();
  owner_.handed_over(reply);
}

}  // namespace postwain::smtpd
