#include "common/smtp/syntax/content_decoder.h"

#include <cstring>
#include <utility>

namespace postwain::smtp {

namespace {

const char* find(const char* from, const char* to, char wanted) {
  if (from >= to) return nullptr;
  return static_cast<const char*>(std::memchr(from, wanted, static_cast<std::size_t>(to - from)));
}

// Walks the lines from `at`, which is inside a line. Stops behind each CRLF that is followed by a
// dot, and at `end`. Returns where it stopped; *at_line_start says whether that is behind a CRLF,
// and *after_cr whether the last byte is a CR whose LF may still come.
const char* walk_lines(const char* at, const char* end, bool* at_line_start, bool* after_cr,
                       bool* lone) {
  *at_line_start = false;
  *after_cr = false;
  while (at < end) {
    const char* lf = find(at, end, '\n');
    if (lf == nullptr) {
      *after_cr = end[-1] == '\r';
      if (find(at, *after_cr ? end - 1 : end, '\r') != nullptr) *lone = true;
      *at_line_start = false;
      return end;
    }
    bool good = lf > at && lf[-1] == '\r';
    if (!good || find(at, lf - 1, '\r') != nullptr) *lone = true;
    at = lf + 1;
    *at_line_start = good;
    if (good && (at == end || *at == '.')) return at;
  }
  return at;
}

}  // namespace

std::size_t DotDecoder::decode(std::string_view wire, std::string* out) {
  const char* const begin = wire.data();
  const char* const end = begin + wire.size();
  const char* at = begin;
  const char* span = begin;  // [span, at) is content that is not appended yet
  auto flush = [&](const char* to) {
    if (out != nullptr && to > span) out->append(span, static_cast<std::size_t>(to - span));
  };
  while (at < end && state_ != State::ended) {
    switch (state_) {
      case State::line_start:
        if (*at != '.') {
          state_ = State::inside;
          break;
        }
        flush(at);
        span = ++at;
        state_ = State::line_dot;
        break;
      case State::line_dot:
        if (*at != '\r') {
          state_ = State::inside;
          break;
        }
        span = ++at;
        state_ = State::line_dot_cr;
        break;
      case State::line_dot_cr:
        if (*at == '\n') {
          span = ++at;
          state_ = State::ended;
          break;
        }
        // A line of a dot, a lone CR and more: the dot was stuffing, the CR is content.
        if (out != nullptr) *out += '\r';
        span = at;
        state_ = State::inside_cr;
        break;
      case State::inside_cr:
        if (*at == '\n') {
          ++at;
          state_ = State::line_start;
          break;
        }
        lone_ = true;
        state_ = State::inside;
        break;
      case State::inside: {
        bool line_start = false;
        bool after_cr = false;
        at = walk_lines(at, end, &line_start, &after_cr, &lone_);
        state_ = line_start ? State::line_start : after_cr ? State::inside_cr : State::inside;
        break;
      }
      case State::ended:
        break;
    }
  }
  flush(at);
  return static_cast<std::size_t>(at - begin);
}

void ChunkDecoder::decode(std::string_view bytes, std::string* out) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  const char* span = at;  // [span, at) is content that is not appended yet
  auto flush = [&](const char* to) {
    if (out != nullptr && to > span) out->append(span, static_cast<std::size_t>(to - span));
  };
  while (at < end) {
    if (std::exchange(after_cr_, false)) {
      if (*at == '\n') {
        ++at;
        line_open_ = false;
        continue;
      }
      lone_ = true;
    }
    line_open_ = true;
    const char* lf = find(at, end, '\n');
    const char* stop = lf == nullptr ? end : lf;
    const char* cr = find(at, stop, '\r');
    if (cr != nullptr) {
      after_cr_ = true;
      at = cr + 1;
    } else if (lf != nullptr) {
      flush(lf);
      if (out != nullptr) out->append("\r\n");
      span = at = lf + 1;
      line_open_ = false;
    } else {
      at = end;
    }
  }
  flush(end);
}

void ChunkDecoder::finish(std::string* out) {
  if (after_cr_) lone_ = true;
  if (std::exchange(line_open_, false) && out != nullptr) out->append("\r\n");
}

}  // namespace postwain::smtp
