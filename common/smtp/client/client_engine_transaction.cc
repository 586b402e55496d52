// Transactions: what is sent when, and what the replies to it mean.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/content/content_fields.h"
#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

using mail::Outcome;
using mail::Stage;

namespace {

// What a probe wanted to know.
Outcome accepted_at_rcpt(mail::Reply reply) {
  Outcome outcome;
  outcome.disposition = mail::Disposition::delivered;
  outcome.stage = Stage::rcpt;
  outcome.reply = std::move(reply);
  return outcome;
}

}  // namespace

bool ClientEngine::wants_transaction() const {
  if (state_ != State::ready || quit_wanted_ || stopped_) return false;
  if (active_.empty()) return true;
  const Active& last = active_.back();
  if (last.chunked) return active_.size() < flight();
  // The next envelope rides behind the end of data of this one.
  bool end_leaves_now = last.step == Step::content && last.transaction.inlined;
  return active_.size() < kTransactionsMax && peer_.pipelining &&
         (end_leaves_now || last.step == Step::end_sent);
}

// Of transactions that travel whole.
std::size_t ClientEngine::flight() const {
  if (!peer_.pipelining || options_.dialect->reply_per_recipient) return 1;
  return std::min({options_.flight_max, kFlightMax, 1 + 3 * finished_});
}

void ClientEngine::add(Transaction transaction) {
  PW_CHECK(wants_transaction() && transaction.envelope != nullptr);
  RecipientLedger ledger(transaction.recipients.size());
  Active a{std::move(transaction), std::move(ledger), {}};
  a.chunked = peer_.chunking && a.transaction.inlined && !a.transaction.probe;
  if (needs_seven_bit(a.transaction, peer_)) make_seven_bit(a);
  if (a.chunked) make_line_ends_whole(a);
  auto outcome = unfit_message(a.transaction, peer_);
  if (outcome) {
    settle_open(a, *outcome);
  } else {
    for (std::size_t i = 0; i < a.transaction.recipients.size(); ++i)
      if (auto unfit = unfit_recipient(*a.transaction.recipients[i], peer_))
        settle(a, i, *std::move(unfit));
  }
  if (a.ledger.close())
    emit(ClientEvent::Kind::finished, a.transaction.key);
  else
    active_.push_back(std::move(a));
}

void ClientEngine::make_seven_bit(Active& a) {
  Transaction& t = a.transaction;
  if (t.converted) return;
  t.converted = true;
  a.seven_bit = std::make_unique<mail::SevenBit>();
  // What a stream will have become is not known yet; a guess could be refused for nothing.
  if (!t.inlined) return;
  auto made = std::make_unique<std::string>();  // content may be what was converted before
  a.seven_bit->convert(t.content, *made);
  a.seven_bit->finish(*made);
  a.converted = std::move(made);
  t.content = *a.converted;
  t.size = a.converted->size();
}

// What BDAT carries reaches other servers as lines in the end: a lone CR or LF in it is as good for
// smuggling as one behind DATA. Only what the peer is told to be BINARYMIME goes as it is.
void ClientEngine::make_line_ends_whole(Active& a) {
  Transaction& t = a.transaction;
  bool binary = t.envelope->body == mail::BodyType::binary_mime && !t.converted;
  if (binary || !mail::has_lone_line_end(t.content)) return;
  auto whole = std::make_unique<std::string>(mail::whole_line_ends(t.content));
  a.converted = std::move(whole);
  t.content = *a.converted;
  t.size = a.converted->size();
}

void ClientEngine::produce(std::string& out, std::vector<std::size_t>* ends) {
  ends_.clear();
  take_buffer(out);
  if (state_ == State::ready) {
    std::size_t before = out.size();
    for (Active& a : active_)
      if (!advance(a, out)) break;
    if (quit_wanted_ && active_.empty() && expected_.empty()) {
      say("QUIT\r\n", Command::quit);
      state_ = State::quitting;
    }
    if (out.size() != before) ++progress_;
    take_buffer(out);
  }
  if (ends != nullptr)
    ends->insert(ends->end(), ends_.begin(), ends_.end());
  else
    ends_left_ = ends_made_;
}

void ClientEngine::take_buffer(std::string& out) {
  for (std::size_t end : std::exchange(ends_in_out_, {})) ends_.push_back(out.size() + end);
  if (!out_.empty()) out.append(std::exchange(out_, {}));
}

// They are produced in the order of their numbers: what is given of a content is of the oldest
// transaction.
void ClientEngine::note_end(Active& a, std::vector<std::size_t>& ends, std::size_t behind) {
  a.end = ++ends_made_;
  ends.push_back(behind);
}

void ClientEngine::end_left() {
  PW_CHECK(ends_left_ < ends_made_);
  ++ends_left_;
}

// Sends what this transaction may send now. True when the next one's commands may follow at once.
bool ClientEngine::advance(Active& a, std::string& out) {
  const std::size_t recipients = a.transaction.recipients.size();
  if (stopped_) return false;
  PeerExtensions room;
  const PeerExtensions& peer = peer_for(a, room);
  if (a.step == Step::mail) {
    if (must_wait()) return false;
    if (must_reset(a)) {
      needs_rset_ = false;
      out += "RSET\r\n";
      expected_.push_back({Command::rset, 0, !expected_.empty()});
      if (must_wait()) return false;
    }
    if (!send_xforward(a, out) || must_wait()) return false;
    append_mail(out, a.transaction, peer);
    a.smtputf8 = says_smtputf8(a.transaction, peer);
    expect(a, Command::mail);
    a.step = Step::rcpt;
  }
  while (a.step == Step::rcpt) {
    while (a.next_rcpt < recipients && a.ledger.settled(a.next_rcpt)) ++a.next_rcpt;
    if (a.next_rcpt == recipients) {
      a.step = Step::data;
      break;
    }
    if (must_wait()) return false;
    if (!a.transaction.probe && exceeds_limits(a)) {
      a.postponed.push_back(a.next_rcpt++);
      continue;
    }
    ++a.asked;
    append_rcpt(out, *a.transaction.recipients[a.next_rcpt], peer, a.smtputf8);
    expect(a, Command::rcpt, a.next_rcpt++);
  }
  // Nothing follows; what is left open on the server is cleared before the next MAIL.
  if (a.step == Step::data && a.transaction.probe) return false;
  if (a.step == Step::data) {
    if (must_wait()) return false;
    // One by one it is known by now that nobody was accepted.
    if (!peer_.pipelining && a.accepted.empty()) return take_again(), false;
    if (a.chunked) {
      append_chunk(a, out);
      return a.step == Step::end_sent && flight() > 1;
    }
    out += "DATA\r\n";
    expect(a, Command::data);
    a.step = Step::data_sent;
  }
  if (a.step == Step::content && a.transaction.inlined) send_content(a, out);
  return a.step == Step::end_sent && peer_.pipelining && (!a.chunked || flight() > 1);
}

// Before MAIL: the server may still have an open transaction, or one that will have failed.
bool ClientEngine::must_reset(const Active& a) const {
  if (needs_rset_) return true;
  for (std::size_t i = 1; i < active_.size(); ++i)
    if (&active_[i] == &a) return active_[i - 1].chunked;
  return false;
}

void ClientEngine::send_content(Active& a, std::string& out) {
  out.reserve(out.size() + a.transaction.content.size() + a.transaction.content.size() / 32 + 256);
  encoder_.encode(a.transaction.content, out);
  encoder_.finish(out);
  note_end(a, ends_, out.size());
  expect(a, Command::end_of_data);
  a.step = Step::end_sent;
}

void ClientEngine::give_content(std::uint64_t key, std::string_view bytes, bool last) {
  if (state_ != State::ready) return;  // the session ended while the chunk was on its way
  PW_CHECK(!active_.empty());
  Active& a = active_.front();
  PW_CHECK(a.transaction.key == key && a.step == Step::content && !a.transaction.inlined);
  if (a.seven_bit) {
    std::string converted;
    a.seven_bit->convert(bytes, converted);
    if (last) a.seven_bit->finish(converted);
    encoder_.encode(converted, out_);
  } else {
    encoder_.encode(bytes, out_);
  }
  ++progress_;
  if (!last) return;
  encoder_.finish(out_);
  note_end(a, ends_in_out_, out_.size());
  expect(a, Command::end_of_data);
  a.step = Step::end_sent;
}

void ClientEngine::expect(Active& a, Command command, std::size_t recipient) {
  expected_.push_back({command, recipient, !expected_.empty()});
  ++a.due;
}

// Replies come in order, so they always belong to the oldest transaction.
void ClientEngine::transaction_reply(Expected expected, ReplyClass what) {
  PW_CHECK(!active_.empty());
  Active& a = active_.front();
  bool last_of_command = true;
  switch (expected.command) {
    case Command::mail:
      mail_reply(a, what);
      break;
    case Command::rcpt:
      rcpt_reply(a, what, expected.recipient);
      break;
    case Command::data:
      data_reply(a, what);
      break;
    case Command::first_chunk:
      chunk_reply(a, what);
      break;
    case Command::end_of_data:
      end_reply(a);
      if (state_ == State::over) return;
      last_of_command = a.answered == a.accepted.size() || !options_.dialect->reply_per_recipient;
      break;
    default:  // empty_end: nobody is left whom this reply could concern
      break;
  }
  if (state_ == State::over) return;
  if (last_of_command) {
    expected_.pop_front();
    --a.due;
  }
  if (a.due > 0) return;
  if (a.ask_again)
    restart_front();
  else if (a.ledger.close())
    close_front();
  else if (a.step >= Step::data_sent && a.ledger.open() == a.postponed.size())
    take_again();
}

void ClientEngine::mail_reply(Active& a, ReplyClass what) {
  if (what == ReplyClass::positive) {
    a.mail_accepted = true;
    return note_first_use(a, Command::mail);
  }
  mail::Reply reply = parser_.stored();
  PeerExtensions room;
  mail::AbilitySet said = spare_in_mail(a.transaction, peer_for(a, room));
  if (clear_refused(Stage::mail, reply)) return;
  if (refused_for_form(a, Command::mail, said, reply)) {
    a.ask_again = true;
    if (needs_seven_bit(a.transaction, [&] {
          PeerExtensions next = peer_;
          next.leave_out(a.without_next);
          return next;
        }()))
      make_seven_bit(a);
    return;
  }
  settle_open(a, outcome_of(*options_.dialect, Stage::mail, reply));
}

void ClientEngine::rcpt_reply(Active& a, ReplyClass what, std::size_t recipient) {
  // MAIL was refused, this only echoes it.
  if (a.ask_again || a.ledger.settled(recipient)) return;
  if (what == ReplyClass::positive) {
    note_first_use(a, Command::rcpt);
    if (a.transaction.probe)
      settle(a, recipient, accepted_at_rcpt(parser_.stored()));
    else
      a.accepted.push_back(recipient);
    return;
  }
  mail::Reply reply = parser_.stored();
  PeerExtensions room;
  mail::AbilitySet said = spare_in_rcpt(*a.transaction.recipients[recipient], peer_for(a, room));
  if (clear_refused(Stage::rcpt, reply)) return;
  bool full = !a.accepted.empty() && is_too_many(reply);
  bool again = !a.transaction.probe && (full || refused_for_form(a, Command::rcpt, said, reply));
  if (again)
    a.postponed.push_back(recipient);
  else
    settle(a, recipient, outcome_of(*options_.dialect, Stage::rcpt, reply));
}

void ClientEngine::data_reply(Active& a, ReplyClass what) {
  if (what != ReplyClass::positive && !a.accepted.empty() &&
      clear_refused(Stage::data, parser_.stored()))
    return;
  if (what != ReplyClass::positive)
    return settle_accepted(a, outcome_of(*options_.dialect, Stage::data, parser_.stored()));
  if (!a.accepted.empty()) {
    a.step = Step::content;
    if (!a.transaction.inlined) emit(ClientEvent::Kind::want_content, a.transaction.key);
    return;
  }
  // DATA was on its way when the last recipient was refused, and the server takes it all the same:
  // an empty message for nobody (RFC 2920 3.1).
  out_ += ".\r\n";
  if (options_.dialect->reply_per_recipient) {
    // Without recipients there is no telling how many replies come (RFC 2033 4.2 forbids the 354).
    out_ += "QUIT\r\n";
    return fail_session(Stage::data, {4, 5, 0}, "354 although every recipient was refused");
  }
  a.step = Step::end_sent;
  expect(a, Command::empty_end);
}

void ClientEngine::end_reply(Active& a) {
  if (a.accepted.empty()) return;  // BDAT without a recipient was refused, as it must be
  a.clean_end = !a.chunked || parser_.code() < 400;
  if (a.chunked && !a.clean_end) {
    mail::Reply reply = parser_.stored();
    if (is_refusal_of_form(reply)) return chunking_refused(a, reply);
  }
  if (a.chunked) proven_.add(mail::Ability::chunking);
  Outcome outcome = outcome_of(*options_.dialect, Stage::final_reply, parser_.stored());
  if (options_.dialect->reply_per_recipient) {
    settle(a, a.accepted[a.answered++], std::move(outcome));
    return;
  }
  outcome.dsn_passed_on = peer_.dsn && outcome.disposition == mail::Disposition::delivered;
  settle_accepted(a, outcome);
}

void ClientEngine::close_front() {
  Active& a = active_.front();
  // What is left of a transaction without an answered end of data would make the next MAIL a nested
  // one.
  if (a.mail_accepted && !a.clean_end && !next_is_sent()) needs_rset_ = true;
  if (a.clean_end) ++finished_;
  emit(ClientEvent::Kind::finished, a.transaction.key);
  active_.pop_front();
  end_if_stopped();
}

void ClientEngine::settle(Active& a, std::size_t recipient, Outcome outcome) {
  PW_CHECK(a.ledger.settle(recipient));
  events_.push_back(
      {ClientEvent::Kind::recipient, a.transaction.key, recipient, std::move(outcome), {}, {}});
}

void ClientEngine::settle_open(Active& a, const Outcome& outcome) {
  for (std::size_t i = 0; i < a.ledger.size() && a.ledger.open() > 0; ++i)
    if (!a.ledger.settled(i)) settle(a, i, outcome);
}

void ClientEngine::settle_accepted(Active& a, const Outcome& outcome) {
  for (std::size_t recipient : a.accepted)
    if (!a.ledger.settled(recipient)) settle(a, recipient, outcome);
}

bool ClientEngine::past_end(std::uint64_t key) const {
  for (const Active& a : active_)
    if (a.transaction.key == key) return has_left(a);
  return false;
}

}  // namespace postwain::smtp
