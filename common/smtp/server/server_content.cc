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
  if (good && options_.ask.header) transaction_.header.emplace();
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

// One line after the other, and the questions each of them leads to. Nothing: the header section
// has ended or is of no use any more, or the chunk has ended.
std::optional<Event> ServerEngine::read_header(std::string& content) {
  Transaction& t = transaction_;
  for (;;) {
    if (t.refusal.code != 0) {
      t.header.reset();
      return std::nullopt;
    }
    if (t.header->next_field()) return ask(EventKind::header_field);
    bool ended = t.header->ended();
    if (ended && !t.untold) return ask(EventKind::header_end);
    if (!ended && read_header_line(content)) continue;
    if (!ended && mode_ == Mode::chunk && t.chunk_left == 0) return std::nullopt;
    bool told = !std::exchange(t.untold, false);
    return Event{told ? EventKind::need_more : EventKind::content, {}, {}};
  }
}

// Takes what has come of the line under way. Where the pieces end depends on the octets alone, so
// the questions do not depend on how the network cuts. False: nothing has come.
bool ServerEngine::read_header_line(std::string& content) {
  Transaction& t = transaction_;
  std::string_view bytes = reader_.rest();
  if (mode_ == Mode::chunk)
    bytes = bytes.substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), t.chunk_left)));
  if (std::size_t end = bytes.find('\n'); end != std::string_view::npos)
    bytes = bytes.substr(0, end + 1);
  if (std::size_t open = t.header->undecided(); open > 0) bytes = bytes.substr(0, open);
  bool over = mode_ == Mode::chunk && t.chunk_last && t.chunk_left == bytes.size();
  if (bytes.empty() && !over) return false;
  std::size_t before = content.size();
  if (mode_ == Mode::dots) {
    t.dots.decode(bytes, &content);
    over = t.dots.ended();
    if (t.dots.lone_cr_or_lf()) note_lone_line_end();
  } else if (t.binary) {
    content.append(bytes);
  } else {
    t.chunk_decoder.decode(bytes, &content);
    if (over) t.chunk_decoder.finish(&content);
    if (t.chunk_decoder.lone_cr()) note_refusal(lone_line_end());
  }
  if (mode_ == Mode::chunk) t.chunk_left -= bytes.size();
  reader_.consume(bytes.size());
  std::size_t appended = content.size() - before;
  if (appended > 0) t.untold = true;
  t.header->append(std::string_view(content).substr(before));
  if (over) t.header->finish();
  count_content(appended, 0);
  return true;
}

void ServerEngine::answer_header(const mail::Reply& reply_given) {
  Transaction& t = transaction_;
  mode_ = t.chunks > 0 ? Mode::chunk : Mode::dots;
  if (question_ == EventKind::header_end) t.header.reset();
  if (reply_given.transient() || reply_given.permanent()) note_refusal(reply_given);
}

std::optional<Event> ServerEngine::read_dots(std::string& content) {
  Transaction& t = transaction_;
  if (t.header)
    if (auto event = read_header(content)) return event;
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
  if (t.header)
    if (auto event = read_header(content)) return event;
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
  bool untold = std::exchange(t.untold, false);
  if (t.chunk_left == 0) return end_chunk(content, keep && (size > 0 || untold));
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
