#include "smtpd/session/transaction.h"

#include <algorithm>
#include <utility>

#include "common/config/config.h"
#include "common/content/header_form.h"
#include "common/filtering/envelope_edits.h"
#include "common/log/log.h"

namespace postwain::smtpd {

namespace {

// The buffer of a session that waits for its next command is not larger than this.
constexpr std::size_t kIdleBuffer = 32U << 10;

// Whether what we have found of it stands in its header section now, and is to be sealed as it
// leaves.
bool is_to_seal(const config::Config& config, const ipc::FilterResult& result) {
  return config.authentication.arc.seal != config::ArcSealing::off &&
         std::any_of(result.judgements.begin(), result.judgements.end(),
                     [](const ipc::FilterJudgement& one) {
                       return one.filter == config::kAuthenticationName && !one.watch &&
                              one.failure == ipc::FilterFailure::none;
                     });
}

}  // namespace

void Transaction::open(mail::QueueId id, std::string sender) {
  open_ = true;
  id_ = id;
  sender_ = std::move(sender);
}

void Transaction::conclude() {
  open_ = false;
  drop_content();
}

void Transaction::drop() {
  open_ = false;
  handover_.reset();
  drop_content();
}

void Transaction::drop_content() {
  filter_ = nullptr;
  told_ = 0;
  header_told_ = false;
  header_size_ = 0;
  new_body_ = false;
  body_lost_ = false;
  header_share_.reset();
  if (content_.capacity() > kIdleBuffer)
    std::string().swap(content_);
  else
    content_.clear();
}

void Transaction::begin_content(std::string trace, Handover::Owner& owner, mail::Envelope envelope,
                                ipc::Arrival arrival, ToSign sign) {
  content_ = std::move(trace);
  trace_size_ = content_.size();
  begun_ = false;
  sign_ = sign;
  envelope.sign = sign != ToSign::no ? mail::Signing::dkim : mail::Signing::none;
  author_permitted_ = false;
  const config::Limits& limits = shared_.config.limits;
  header_ = HeaderCheck(envelope.body == mail::BodyType::binary_mime,
                        {limits.hops, limits.own_hops, shared_.config.hostname});
  handover_.emplace(shared_.queue_link, owner, id_, std::move(envelope), std::move(arrival));
}

std::optional<mail::Reply> Transaction::check_growth(bool stranger) {
  if (!handover_) return std::nullopt;
  auto refusal = check_header(false);
  if (!refusal && !has_room(stranger))
    refusal = mail::Reply{452, {4, 3, 1}, "Too many large header sections at once, try later"};
  if (refusal)
    drop_content();
  else if (header_.whole())
    pass_on();
  return refusal;
}

std::optional<mail::Reply> Transaction::check_header(bool ended) {
  if (header_.whole()) return std::nullopt;
  // Content that does not begin with a field would become the end of our own.
  if (!begun_) {
    auto needed = mail::needed_before(std::string_view(content_).substr(trace_size_), ended);
    if (!needed) return std::nullopt;
    content_.insert(trace_size_, *needed);
    begun_ = true;
  }
  std::string_view theirs = std::string_view(content_).substr(trace_size_);
  auto refusal = ended ? header_.finish(theirs) : header_.look(theirs);
  if (refusal || !header_.whole()) return refusal;
  refusal = check_author(theirs.substr(0, header_.fields_size()));
  if (refusal) return refusal;
  std::size_t size = trace_size_ + (submission_ ? mend_header() : header_.body_begin());
  if (!handover_) return refusal;
  if (header_.tls_required_no()) handover_->set_tls_required_no();
  bool from_here = sign_ == ToSign::unless_here_before && header_.was_here();
  if (from_here || !author_permitted_) handover_->set_unsigned();
  handover_->set_header_size(size);
  header_size_ = size;
  return refusal;
}

std::optional<mail::Reply> Transaction::check_author(std::string_view header) {
  if (!handover_) return std::nullopt;
  AuthorFinding found = shared_.policy.author(handover_->arrival().account, header);
  // A reader who goes on behind the line that is no field may find another From field there. (In a
  // submission an empty line is put in front of it.)
  bool may_go_on =
      !header_.separated() && !submission_ && shared_.config.auth.senders != config::Senders::any;
  if (found.permitted && may_go_on && !handover_->arrival().account.empty())
    found = {false, "no empty line ends the header section"};
  author_permitted_ = found.permitted;
  config::AuthorCheck check = shared_.config.auth.author;
  if (found.permitted || check == config::AuthorCheck::off) return std::nullopt;
  if (check == config::AuthorCheck::refuse)
    return mail::Reply{550, {5, 7, 1}, std::move(found.objection)};
  handover_->hold("author: " + found.objection);
  return std::nullopt;
}

// The header section at once when it is whole; the empty line after it is nobody's.
bool Transaction::tell_rest() {
  if (filter_ == nullptr || header_size_ == 0) return true;
  if (!header_told_) {
    std::string_view section = std::string_view(content_).substr(0, header_size_);
    if (section.size() >= 4 && section.substr(section.size() - 4) == "\r\n\r\n")
      section.remove_suffix(2);
    filter_->header(section, 1);
    header_told_ = true;
    told_ = header_size_;
  }
  if (content_.size() > told_) told_ += filter_->body(std::string_view(content_).substr(told_));
  return told_ == content_.size();
}

// What the filters have not heard stays in the buffer.
void Transaction::pass_on() {
  if (!tell_rest()) return;
  handover_->grow(content_);
  told_ = content_.size();
}

void Transaction::take_new_body(std::string_view octets) {
  if (body_lost_) return;
  if (!new_body_) {
    new_body_ = true;
    body_lost_ = !handover_->replace_body(content_);
  }
  if (body_lost_) return;
  content_ += octets;
  // No filter makes of a message what no client could have sent.
  if (handover_->octets_so_far(content_) > shared_.config.limits.message_size) {
    body_lost_ = true;
    return content_.clear();
  }
  handover_->grow(content_);
}

std::optional<mail::Reply> Transaction::apply(const ipc::FilterResult& result,
                                              std::uint64_t size_max) {
  const mail::Reply too_large{552, {5, 3, 4}, "Message too large after it was filtered"};
  if (result.body_replaced && !new_body_) take_new_body({});  // it is empty now
  if (result.header_changed) {
    std::string section(result.section);
    section += "\r\n";
    if (!handover_->change_header(std::move(section), content_)) return too_large;
  }
  if (body_lost_ || handover_->octets_so_far(content_) > size_max) return too_large;
  if (result.hold) handover_->hold(*result.hold);
  mail::Envelope envelope = handover_->envelope();
  filtering::EnvelopeEdits edits = filtering::apply_edits(result, envelope);
  for (const std::string& mistake : edits.mistakes)
    log::Line(log::Level::warning, "filter_mistake")
        .kv("id", id_.text())
        .kv("filter", result.filter)
        .kv("text", mistake);
  if (envelope.sign == mail::Signing::none && is_to_seal(shared_.config, result)) {
    envelope.sign = mail::Signing::arc;
    edits.changed = true;
  }
  if (edits.changed) handover_->change_envelope(std::move(envelope));
  return std::nullopt;
}

bool Transaction::has_room(bool stranger) {
  if (shared_.headers == nullptr || header_.whole()) return true;
  if (!header_share_) header_share_.emplace(*shared_.headers);
  return header_share_->grow(content_.size(), stranger);
}

// What RFC 6409 8 lets a submission server do, and sendmail does as well: fields that are missing
// are added; those that only the sender may read (RFC 5322 3.6.3) or that the final delivery writes
// are taken out; a line that is no field ends the header section for every reader. Returns how
// large it is then, up to the body.
std::size_t Transaction::mend_header() {
  std::string_view fields = std::string_view(content_).substr(trace_size_, header_.fields_size());
  std::string mended = missing_fields(header_, wall_now(), id_.text(), shared_.config.hostname) +
                       mail::without_fields(fields, {"Bcc", "Resent-Bcc", "Return-Path"});
  if (!header_.separated()) mended += "\r\n";
  content_.replace(trace_size_, header_.fields_size(), mended);
  return mended.size() + header_.body_begin() - header_.fields_size();
}

bool Transaction::window_is_full() const {
  if (filter_ != nullptr && filter_->window_is_full()) return true;
  return handover_ && !handover_->over() && handover_->window_full(content_.size());
}

}  // namespace postwain::smtpd
