#include "qmgr/judging/judged_session.h"

#include <algorithm>
#include <utility>

#include "common/content/header_form.h"
#include "common/filtering/told_arguments.h"
#include "common/ipc/told_macros.h"
#include "qmgr/verdicts/filters_asked.h"

namespace postwain::qmgr {

namespace {

using ipc::FilterVerdict;
using ipc::ToldMacro;

constexpr std::size_t kPiece = 64U << 10;
constexpr std::string_view kClientName = "localhost";
constexpr std::string_view kClientAddress = "127.0.0.1";

}  // namespace

JudgedSession::JudgedSession(const JudgedSessionTerms& terms,
                             std::shared_ptr<const UnjudgedMessage> message,
                             std::unique_ptr<Alarm> alarm, Over over)
    : content_(terms.content),
      hostname_(terms.hostname),
      time_(terms.time),
      message_(std::move(message)),
      filter_(&terms.link, std::string(name_of(filter_kind(info()))), filter_kind(info()), *this),
      alarm_(std::move(alarm)),
      over_(std::move(over)),
      new_body_(terms.content, info().in_file ? terms.new_file : info().id, terms.size_max) {}

void JudgedSession::begin() {
  alarm_->start(time_, [this] { end(Judged::End::lost); });
  set_macros();
  tell();
}

void JudgedSession::set_macros() {
  std::string name(kClientName);
  std::string address(kClientAddress);
  filter_.set_client(ipc::FilterSession::Family::ipv4, name, address, 0);
  filter_.set_macro(ToldMacro::hostname, hostname_);
  filter_.set_macro(ToldMacro::daemon_name, std::string(name_of(filter_kind(info()))));
  filter_.set_macro(ToldMacro::product, "Postwain");
  filter_.set_macro(ToldMacro::client_address, address);
  filter_.set_macro(ToldMacro::client_name, name);
  filter_.set_macro(ToldMacro::client_and_name, name + " [" + address + "]");
  filter_.set_macro(ToldMacro::hello, name);
  filter_.set_macro(ToldMacro::queue_id, info().id.text());
  filter_.set_macro(ToldMacro::mail_address, info().envelope.reverse_path.text());
}

// --- the envelope --------------------------------------------------------------------------------

void JudgedSession::tell() {
  for (;;) {
    switch (part_) {
      case Part::connect:
        if (filter_.connect()) return;
        part_ = Part::helo;
        break;
      case Part::helo:
        if (filter_.helo(std::string(kClientName))) return;
        part_ = Part::mail;
        break;
      case Part::mail: {
        const mail::Envelope& envelope = info().envelope;
        if (filter_.mail(filtering::in_brackets(envelope.reverse_path),
                         filtering::arguments_of(envelope, info().size)))
          return;
        if (filter_.message_lost()) return end(Judged::End::lost);
        part_ = Part::rcpt;
        break;
      }
      case Part::rcpt:
        if (recipient_ == message_->message.recipients.size())
          part_ = Part::data;
        else if (tell_rcpt())
          return;
        else
          ++recipient_;
        break;
      case Part::data:
        // Nobody is left whom the content could be for.
        if (judged_.refused.size() == message_->message.recipients.size())
          return end(Judged::End::result);
        if (filter_.data()) return;
        part_ = Part::content;
        return begin_content();
      case Part::content:
      case Part::result:
      case Part::over:
        return;
    }
  }
}

bool JudgedSession::tell_rcpt() {
  const mail::Recipient& to = message_->message.recipients[recipient_].recipient;
  filter_.set_macro(ToldMacro::rcpt_address, to.address.text());
  filter_.set_macro(ToldMacro::rcpt_mailer, "smtp");
  filter_.set_macro(ToldMacro::rcpt_host, std::string(to.address.domain()));
  return filter_.rcpt(filtering::in_brackets(to.address),
                      filtering::arguments_of(to, info().envelope.smtputf8));
}

void JudgedSession::filter_answered(const ipc::FilterAnswer& answer) {
  if (part_ == Part::over) return;
  if (filter_.message_lost()) return end(Judged::End::lost);
  bool good = answer.verdict == FilterVerdict::keep_going;
  if (!good && part_ == Part::rcpt && answer.verdict == FilterVerdict::refuse) {
    std::uint32_t index = message_->message.recipients[recipient_].index;
    judged_.refused.push_back({index, answer.filter, answer.reply});
    if (!answer.judgements.empty() && recipients_refused_.size() < kJudgementsOfRecipients)
      recipients_refused_.push_back(answer.judgements.back());
    good = true;
  }
  if (!good) {
    judged_.result.verdict = answer.verdict;
    judged_.result.reply = answer.reply;
    judged_.result.filter = answer.filter;
    judged_.result.judgements = answer.judgements;
    judged_.refused.clear();  // they share the fate of the message
    return end(Judged::End::result);
  }
  if (part_ == Part::rcpt) {
    ++recipient_;
  } else if (part_ == Part::data) {
    part_ = Part::content;
    return begin_content();
  } else {
    part_ = static_cast<Part>(static_cast<std::uint8_t>(part_) + 1);
  }
  tell();
}

// --- the content ---------------------------------------------------------------------------------

void JudgedSession::begin_content() {
  if (info().has_stored_content()) return tell_header(message_->stored, !info().in_file);
  // A header section that does not lie apart has to be looked for.
  std::size_t length =
      static_cast<std::size_t>(std::min<std::uint64_t>(info().size, ipc::kHeaderApartMax));
  content_.read(
      info(), 0, length,
      [this, length, lives = std::weak_ptr<bool>(lives_)](const std::optional<std::string>& begin) {
        if (lives.expired() || part_ == Part::over) return;
        if (!begin || begin->size() != length) return end(Judged::End::unreadable);
        tell_header(*begin, length == info().size);
      });
}

void JudgedSession::tell_header(std::string_view content, bool whole) {
  std::size_t from = 0;
  bool all = whole || info().header_size > 0;
  mail::HeaderEnd found = mail::find_header_end(content, from, all);
  if (!found.found) return end(Judged::End::too_large);
  judged_.body_begin = info().header_size > 0 ? info().header_size : found.body;
  std::string_view section = content.substr(0, found.header);
  filter_.header(section, section.starts_with("Received:") ? 1 : 0);
  told_ = filter_.wants_body() ? judged_.body_begin : info().size;
  tell_body();
}

void JudgedSession::tell_body() {
  if (part_ != Part::content || reading_) return;
  while (told_ < info().size) {
    if (filter_.window_is_full()) return;
    std::string_view next = piece_;
    if (!info().in_file) next = std::string_view(message_->stored).substr(told_);
    if (next.empty()) return read_body();
    std::size_t taken = filter_.body(next);
    told_ += taken;
    if (info().in_file) piece_.erase(0, taken);
  }
  part_ = Part::result;
  filter_.end_of_message(info().size);
}

void JudgedSession::read_body() {
  reading_ = true;
  std::size_t length =
      static_cast<std::size_t>(std::min<std::uint64_t>(info().size - told_, kPiece));
  content_.read(
      info(), told_, length,
      [this, length, lives = std::weak_ptr<bool>(lives_)](std::optional<std::string> octets) {
        if (lives.expired() || part_ == Part::over) return;
        reading_ = false;
        if (!octets || octets->size() != length) return end(Judged::End::unreadable);
        if (told_ < info().size) piece_ = *std::move(octets);
        tell_body();
      });
}

void JudgedSession::filter_window_opened() {
  if (part_ == Part::over) return;
  if (filter_.message_lost()) return end(Judged::End::lost);
  tell_body();
}

// The result says it once more; nobody needs the rest.
void JudgedSession::filter_refused_content(const ipc::FilterAnswer& /*answer*/) {
  if (part_ != Part::content) return;
  told_ = info().size;
  piece_.clear();
  tell_body();
}

// --- what has come of it -------------------------------------------------------------------------

bool JudgedSession::filter_body(std::string_view octets) {
  if (part_ != Part::result) return true;
  std::size_t size = octets.size();
  return new_body_.add(octets, [this, size] { filter_.took_body(size); });
}

void JudgedSession::filter_concluded(const ipc::FilterResult& result) {
  if (part_ == Part::over) return;
  if (filter_.message_lost()) return end(Judged::End::lost);
  judged_.result = result;
  judged_.section = std::string(result.section);
  judged_.result.section = {};
  if (!result.body_replaced || result.verdict != FilterVerdict::keep_going)
    return end(Judged::End::result);
  if (new_body_.too_large()) return end(Judged::End::too_large);
  new_body_.finish([this](std::optional<NewBody> body) {
    if (part_ == Part::over) return;
    if (!body) return end(Judged::End::lost);
    judged_.body = std::move(body);
    end(Judged::End::result);
  });
}

void JudgedSession::end(Judged::End how) {
  if (part_ == Part::over) return;
  part_ = Part::over;
  alarm_->stop();
  judged_.end = how;
  std::vector<ipc::FilterJudgement>& judgements = judged_.result.judgements;
  judgements.insert(judgements.begin(), recipients_refused_.begin(), recipients_refused_.end());
  over_(std::move(judged_));
}

}  // namespace postwain::qmgr
