// The content of a message in a server session: DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030 2).
// Whatever is wrong with content, it is read to its true end before the client hears of it: content
// that is left over would be obeyed as commands.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/smtp/server/server_engine.h"
#include "common/smtp/syntax/reply_writer.h"

namespace postwain::smtp {

namespace {

mail::Reply too_large() {
  return {552, {5, 3, 4}, "Error: message larger than allowed"};
}

mail::Reply lone_line_end() {
  return {550, {5, 6, 11}, "Error: lone CR or LF in message"};
}

}  // namespace

void ServerEngine::refuse_content(mail::Reply reply_given) {
  if (mode_ == Mode::closed) return;
  PW_CHECK(in_content() || mode_ == Mode::chunk);
  note_refusal(std::move(reply_given));
}

void ServerEngine::note_refusal(mail::Reply reply_given) {
  if (transaction_.refusal.code == 0) transaction_.refusal = std::move(reply_given);
}

// It counts more than the size: which of the two is seen first depends on how the network cut the
// content, and the reply must not.
void ServerEngine::note_lone_line_end() {
  mail::Reply& refusal = transaction_.refusal;
  if (refusal.code == 0 || refusal.enhanced == too_large().enhanced) refusal = lone_line_end();
}

void ServerEngine::answer_data(const mail::Reply& reply_given) {
  bool good = reply_given.severity() == 3;
  bool by_chunk = transaction_.chunks > 0;
  if (by_chunk) {
    state_ = ServerState::chunking;
    mode_ = Mode::chunk;
    if (!good) note_refusal(reply_given);
    return;
  }
  reply(reply_given);
  if (good)
    mode_ = Mode::dots;
  else
    end_transaction();
}

std::optional<Event> ServerEngine::read_dots(std::string& content) {
  Transaction& t = transaction_;
  bool keep = t.refusal.code == 0;
  std::size_t before = content.size();
  std::size_t used = t.dots.decode(reader_.rest(), keep ? &content : nullptr);
  reader_.consume(used);
  std::size_t appended = content.size() - before;
  count_content(appended, keep ? 0 : used);
  if (mode_ == Mode::closed) return std::nullopt;
  if (t.dots.lone_cr_or_lf()) note_lone_line_end();
  if (!t.dots.ended())
    return Event{appended > 0 ? EventKind::content : EventKind::need_more, {}, {}};
  return t.refusal.code == 0 ? ask(EventKind::content_end) : refused_content();
}

void ServerEngine::count_content(std::size_t appended, std::size_t thrown_away) {
  transaction_.content_size += appended;
  transaction_.discarded += thrown_away;
  if (transaction_.content_size > options_.message_size) note_refusal(too_large());
  if (transaction_.discarded > kDiscardMax) shut_down(too_large(), "refused content without end");
}

// One reply, or one for each accepted recipient (RFC 2033 4.2).
void ServerEngine::answer_content(const mail::Reply& reply_given) {
  std::uint32_t replies = options_.dialect.reply_per_recipient ? transaction_.recipients : 1;
  transaction_.open = false;
  end_transaction();
  // A client that delivers is no intruder: what went wrong before is forgiven.
  if (reply_given.positive()) idle_commands_ = errors_ = 0;
  for (std::uint32_t i = 1; i < replies; ++i) say(reply_given);
  reply(reply_given);
}

// A refused last chunk, or end of data, ends the transaction. Another chunk that was refused leaves
// it failed until RSET, since more chunks may already be on their way.
Event ServerEngine::refused_content() {
  Event event{EventKind::content_refused, {}, std::move(transaction_.refusal)};
  bool last = mode_ == Mode::dots || transaction_.chunk_last;
  std::uint32_t replies =
      last && options_.dialect.reply_per_recipient ? transaction_.recipients : 1;
  mode_ = Mode::commands;
  transaction_.open = false;
  end_transaction();
  if (!last) state_ = ServerState::chunk_failed;
  for (std::uint32_t i = 0; i < replies; ++i) say(event.reply);
  if (event.reply.permanent()) count_error();  // the event tells it, so it is not noted here
  return event;
}

// bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF
// chunk-size = 1*DIGIT    end-marker = "LAST"
std::optional<Event> ServerEngine::take_bdat(std::string_view argument) {
  Transaction& t = transaction_;
  std::string_view number = argument.substr(0, argument.find(' '));
  std::string_view marker = trim(argument.substr(number.size()));
  auto size = parse_decimal<std::uint64_t>(number);
  bool last = iequals(marker, "LAST");
  if (!size || (!last && !marker.empty())) {
    // Nobody can tell whether octets follow, and they must never be read as commands.
    shut_down({501, {5, 5, 4}, "Syntax: BDAT size [LAST]"}, "bad BDAT");
    return std::nullopt;
  }
  if (*size > kDiscardMax && *size > options_.message_size) {
    shut_down(too_large(), "BDAT size");
    return std::nullopt;
  }
  Ruling verdict = ruling(state_, Verb::bdat);
  t.chunk_left = t.chunk_size = *size;
  t.chunk_last = last;
  t.chunk_is_stray = verdict != Ruling::obey;
  // The host may take the envelope away at the first chunk.
  if (state_ == ServerState::rcpt) t.binary = envelope_.body == mail::BodyType::binary_mime;
  mode_ = Mode::chunk;
  if (t.chunk_is_stray)
    note_refusal(sequence_reply(verdict));
  else if (++t.chunks > kChunksMax)
    note_refusal({552, {5, 3, 4}, "Error: too many chunks"});
  else if (t.content_size + *size > options_.message_size)
    note_refusal(too_large());
  if (!t.chunk_is_stray && t.refusal.code == 0 && state_ == ServerState::rcpt)
    return ask(EventKind::data);
  return std::nullopt;
}

std::optional<Event> ServerEngine::read_chunk(std::string& content) {
  Transaction& t = transaction_;
  bool keep = t.refusal.code == 0;
  std::string_view bytes = reader_.rest();
  bytes = bytes.substr(
      0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), t.chunk_left)));
  if (bytes.empty() && t.chunk_left > 0) return Event{EventKind::need_more, {}, {}};
  if (keep && t.binary)
    content.append(bytes);
  else if (keep)
    t.chunk_decoder.decode(bytes, &content);
  t.chunk_left -= bytes.size();
  std::size_t size = bytes.size();
  reader_.consume(size);
  count_content(keep ? size : 0, keep ? 0 : size);
  if (mode_ == Mode::closed) return std::nullopt;
  if (t.chunk_decoder.lone_cr()) note_refusal(lone_line_end());
  if (t.chunk_left == 0) return end_chunk(content, keep && size > 0);
  return Event{keep ? EventKind::content : EventKind::need_more, {}, {}};
}

std::optional<Event> ServerEngine::end_chunk(std::string& content, bool appended) {
  Transaction& t = transaction_;
  if (t.chunk_is_stray) {
    mode_ = Mode::commands;
    t.chunk_is_stray = false;
    mail::Reply stray = std::move(t.refusal);
    t.refusal = mail::Reply();
    reply(stray);
    return std::nullopt;
  }
  if (t.chunk_last && t.refusal.code == 0 && !t.binary) {
    t.chunk_decoder.finish(&content);
    if (t.chunk_decoder.lone_cr()) note_refusal(lone_line_end());
  }
  if (t.refusal.code != 0) return refused_content();
  if (t.chunk_last) return ask(EventKind::content_end);
  mode_ = Mode::commands;
  reply(250, {2, 0, 0}, fmt::format("Ok: {} octets", t.chunk_size));
  if (appended) return Event{EventKind::content, {}, {}};
  return std::nullopt;
}

}  // namespace postwain::smtp
