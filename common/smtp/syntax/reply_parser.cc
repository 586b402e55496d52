#include "common/smtp/syntax/reply_parser.h"

#include <cstring>
#include <utility>

#include "common/base/text.h"

namespace postwain::smtp {

namespace {

// The enhanced code that text begins with; rest is what follows it.
mail::EnhancedCode split_enhanced(std::string_view text, std::string_view& rest) {
  std::size_t space = text.find(' ');
  mail::EnhancedCode code = mail::EnhancedCode::parse(text.substr(0, space));
  if (code.present())
    rest = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  else
    rest = text;
  return code;
}

// Of a line that is no reply: the operator has to see what came.
std::string shown(std::string_view line) {
  constexpr std::size_t kShown = 100;
  return printable(line, kShown);
}

}  // namespace

ReplyParser::State ReplyParser::parse(std::string_view& data) {
  if (!why_.empty()) return State::broken;
  if (complete_) {
    complete_ = false;
    lines_ = 0;
    text_.clear();
  }
  while (!data.empty()) {
    const void* end = std::memchr(data.data(), '\n', data.size());
    std::size_t size = end == nullptr
                           ? data.size()
                           : static_cast<std::size_t>(static_cast<const char*>(end) - data.data());
    if (line_.size() + size > kReplyLineMax) return broken("a reply line is too long");
    if (end == nullptr) {
      line_.append(data);
      data = {};
      return State::need_more;
    }
    std::string_view line = data.substr(0, size);
    data.remove_prefix(size + 1);
    State state;
    if (line_.empty()) {
      state = take_line(line);
    } else {
      line_.append(line);
      std::string whole = std::move(line_);
      line_.clear();
      state = take_line(whole);
    }
    if (state != State::need_more) return state;
  }
  return State::need_more;
}

ReplyParser::State ReplyParser::take_line(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
      !is_digit(line[2]) || (line.size() > 3 && line[3] != ' ' && line[3] != '-'))
    return broken("not a reply: '" + shown(line) + "'");
  if (std::memchr(line.data(), '\0', line.size()) != nullptr)
    return broken("NUL in a reply: '" + shown(line) + "'");
  int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (lines_ > 0 && code != code_)
    return broken("the reply code changes within a reply, from " + std::to_string(code_) + " to '" +
                  shown(line) + "'");
  if (++lines_ > kReplyLinesMax) return broken("a reply has too many lines");
  code_ = code;
  std::string_view text = line.size() > 4 ? line.substr(4) : std::string_view();
  if (lines_ > 1 && text_.size() < kReplyTextKept) text_ += '\n';
  text_.append(text.substr(0, kReplyTextKept - std::min(kReplyTextKept, text_.size())));
  if (line.size() > 3 && line[3] == '-') return State::need_more;
  complete_ = true;
  return State::reply;
}

ReplyParser::State ReplyParser::broken(std::string why) {
  why_ = std::move(why);
  line_.clear();
  return State::broken;
}

mail::Reply ReplyParser::stored() const {
  mail::Reply reply;
  reply.code = code_;
  std::string_view left = text_;
  for (bool first = true; first || !left.empty(); first = false) {
    std::size_t end = left.find('\n');
    std::string_view line = left.substr(0, end);
    left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
    // Every line of a reply repeats the code (RFC 2034 4); once is enough. Cyrus has it in the last
    // line only.
    std::string_view rest = line;
    mail::EnhancedCode code = split_enhanced(line, rest);
    bool may_tell = first || (left.empty() && !reply.enhanced.present());
    if (may_tell && code.klass == code_ / 100) reply.enhanced = code;
    if (reply.enhanced.present() && code == reply.enhanced) line = rest;
    if (reply.text.size() >= kReplyTextStored) break;
    if (!first) reply.text += '\n';
    reply.text += printable(line, kReplyTextStored - std::min(kReplyTextStored, reply.text.size()));
  }
  return reply;
}

}  // namespace postwain::smtp
