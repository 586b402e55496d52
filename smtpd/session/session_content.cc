// The content of a message, from DATA or the first BDAT to the reply: its header section is checked
// and mended, and all of it is handed over to qmgr while it comes in.
#include "common/config/config.h"
#include "common/content/header_form.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"
#include "smtpd/session/trace_field.h"

namespace postwain::smtpd {

void Session::on_data() {
  if (auto refusal = shared_.intake.refusal()) {
    count(ipc::Counted::refused_queue);
    log_refused("DATA", *refusal, {}, "queue", nullptr);
    return engine_.answer(*refusal);
  }
  mail::Envelope envelope = engine_.take_envelope();
  // <postmaster> has no domain to be routed by; it is whom the configuration names.
  for (mail::Recipient& recipient : envelope.recipients) {
    if (recipient.address.has_domain()) continue;
    if (recipient.orcpt.empty()) recipient.orcpt = "rfc822;postmaster";
    recipient.address = mail::Address::from_text(shared_.config.postmaster);
  }
  WallTime now = wall_now();
  ipc::Arrival arrival;
  arrival.protocol = protocol_name(engine_.options().dialect, engine_.extended(), engine_.tls(),
                                   envelope.smtputf8, !client_.account.empty());
  arrival.account = client_.account;
  arrival.client_address = forwarded_.address.value_or(client_.address);
  arrival.client_name = forwarded_.hello.value_or(engine_.hello_name());
  arrival.received_at = now;
  std::string tls;
  if (engine_.tls()) tls = channel_->tls_version() + ' ' + channel_->tls_cipher();
  content_ = received_field({engine_.hello_name(), facts().name, client_.address,
                             shared_.config.hostname, arrival.protocol, tls},
                            id_, envelope, now);
  trace_size_ = content_.size();
  const config::Limits& limits = shared_.config.limits;
  header_ = HeaderCheck(envelope.body == mail::BodyType::binary_mime,
                        {limits.hops, limits.own_hops, shared_.config.hostname});
  content_begun_ = false;
  handover_.emplace(shared_.intake, static_cast<Handover::Owner&>(*this), id_, std::move(envelope),
                    std::move(arrival));
  timeout_.enter(SessionTimeout::Phase::content, shared_.loop.now());
  engine_.answer({354, {}, "End data with <CR><LF>.<CR><LF>"});
}

std::optional<mail::Reply> Session::check_header(bool ended) {
  if (header_.whole()) return std::nullopt;
  // Content that does not begin with a field would become the end of our own.
  if (!content_begun_) {
    auto needed = mail::needed_before(std::string_view(content_).substr(trace_size_), ended);
    if (!needed) return std::nullopt;
    content_.insert(trace_size_, *needed);
    content_begun_ = true;
  }
  std::string_view theirs = std::string_view(content_).substr(trace_size_);
  auto refusal = ended ? header_.finish(theirs) : header_.look(theirs);
  if (refusal || !header_.whole()) return refusal;
  header_share_.reset();
  if (header_.tls_required_no() && handover_) handover_->set_tls_required_no();
  mend_header();
  return refusal;
}

bool Session::header_has_room() {
  if (shared_.headers == nullptr || header_.whole()) return true;
  if (!header_share_) header_share_.emplace(*shared_.headers);
  return header_share_->grow(content_.size(), !client_.may_relay());
}

// What RFC 6409 8 lets a submission server do, and sendmail does as well: fields that are missing
// are added; those that only the sender may read (RFC 5322 3.6.3) or that the final delivery writes
// are taken out; a line that is no field ends the header section for every reader.
void Session::mend_header() {
  if (listener_.protocol != config::ListenerProtocol::submission) return;
  std::string_view fields = std::string_view(content_).substr(trace_size_, header_.fields_size());
  std::string mended = missing_fields(header_, wall_now(), id_.text(), shared_.config.hostname) +
                       mail::without_fields(fields, {"Bcc", "Resent-Bcc", "Return-Path"});
  if (!header_.separated()) mended += "\r\n";
  content_.replace(trace_size_, header_.fields_size(), mended);
}

void Session::on_content() {
  if (!handover_) return;
  auto refusal = check_header(false);
  if (!refusal && !header_has_room())
    refusal = mail::Reply{452, {4, 3, 1}, "Too many large header sections at once, try later"};
  if (refusal) {
    // The rest of the content may take its time; what came needs no room until then.
    drop_content();
    return engine_.refuse_content(*refusal);
  }
  if (header_.whole()) handover_->grow(content_);
}

void Session::on_content_end() {
  PW_CHECK(handover_.has_value());
  if (auto refusal = check_header(true)) {
    count(ipc::Counted::refused_content);
    log_refused("content", *refusal, {}, "header section", nullptr);
    drop_transaction();
    return engine_.answer(*refusal);
  }
  content_ended_ = true;
  timeout_.enter(SessionTimeout::Phase::waiting, shared_.loop.now());
  handover_->finish(content_);
}

// Comes from inside finish() or grow(), or later from qmgr; the handover is not destroyed here.
void Session::handed_over(const mail::Reply& reply) {
  if (over_) return;
  if (!content_ended_) {
    timeout_.enter(SessionTimeout::Phase::content, shared_.loop.now());
    engine_.refuse_content(reply);
  } else {
    content_ended_ = false;
    if (reply.code == 250) {
      log_accepted();
      in_transaction_ = false;
      engine_.answer({250, {2, 0, 0}, "Ok: queued as " + id_.text()});
    } else {
      count(ipc::Counted::refused_queue);
      log_refused("content", reply, {}, "queue", nullptr);
      in_transaction_ = false;
      engine_.answer(reply.transient() || reply.permanent() ? reply : queue_unavailable());
    }
    drop_content();
    timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
    if (draining_) engine_.shut_down(shutting_down(), "shutdown");
  }
  pump();
}

void Session::window_opened() {
  if (over_ || !handover_) return;
  if (timeout_.phase() == SessionTimeout::Phase::waiting)
    timeout_.enter(SessionTimeout::Phase::content, shared_.loop.now());
  handover_->grow(content_);
  pump();
}

void Session::log_accepted() {
  count_replies();
  log_refusals_left_out();
  log::Line line(log::Level::info, "accepted");
  line.kv("id", id_.text()).kv("from", sender_).kv("size", handover_->size());
  const auto& recipients = handover_->envelope().recipients;
  line.kv("recipients", recipients.size());
  if (recipients.size() == 1) line.kv("to", recipients.front().address.text());
  line.kv("client", client_.address).kv("protocol", handover_->arrival().protocol);
  if (forwarded_.address) line.kv("forwarded_for", *forwarded_.address);
  if (!client_.account.empty()) line.kv("account", client_.account);
  if (engine_.tls()) line.kv("tls", channel_->tls_version());
}

}  // namespace postwain::smtpd
