#include "common/config/document/alias_text.h"

#include <optional>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::config {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// One line with those that go on from it, joined by spaces.
struct LogicalLine {
  std::string text;
  int number = 0;
};

class LineSource {
 public:
  explicit LineSource(std::string_view text) : rest_(text) {}

  std::optional<LogicalLine> next() {
    LogicalLine out;
    bool begun = false;
    while (auto line = peek()) {
      bool nothing = trim(*line).empty() || trim(*line).front() == '#';
      bool continues = !nothing && is_blank(line->front());
      if (begun && !continues && !nothing) break;
      take();
      if (nothing) continue;
      if (begun) out.text += ' ';
      if (!begun) out.number = number_;
      begun = true;
      out.text += trim(*line);
    }
    if (!begun) return std::nullopt;
    return out;
  }

 private:
  std::optional<std::string_view> peek() const {
    if (rest_.empty()) return std::nullopt;
    std::string_view line = rest_.substr(0, rest_.find('\n'));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }
  void take() {
    std::size_t end = rest_.find('\n');
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++number_;
  }

  std::string_view rest_;
  int number_ = 0;
};

// Where the first of the characters stands that is not within quotes; npos: nowhere.
std::size_t find_unquoted(std::string_view text, std::string_view characters) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted)
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && characters.find(text[i]) != std::string_view::npos)
      return i;
  }
  return std::string_view::npos;
}

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && text.front() == '"' && text.back() == '"';
}

std::string without_quotes(std::string_view text) {
  if (!is_quoted(text)) return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

// "Full Name <user@domain>" means user@domain.
std::string_view address_within(std::string_view text) {
  std::size_t open = find_unquoted(text, "<");
  if (open == std::string_view::npos || text.back() != '>') return text;
  return trim(text.substr(open + 1, text.size() - open - 2));
}

AliasTarget target_of(std::string_view text) {
  AliasTarget target;
  std::string plain = without_quotes(text);
  constexpr std::string_view kInclude = ":include:";
  if (istarts_with(plain, kInclude)) {
    target.kind = AliasTarget::Kind::include;
    target.text = std::string(trim(std::string_view(plain).substr(kInclude.size())));
  } else if (plain.front() == '|') {
    target.kind = AliasTarget::Kind::program;
    target.text = std::move(plain);
  } else if (plain.front() == '/') {
    target.kind = AliasTarget::Kind::file;
    target.text = std::move(plain);
  } else {
    target.text = std::string(address_within(text));
    if (target.text.size() > 1 && target.text.front() == '\\') {
      target.final = true;
      target.text.erase(0, 1);
    }
  }
  return target;
}

class Parser {
 public:
  explicit Parser(AliasStyle style) : style_(style) {}

  AliasText run(std::string_view text) {
    LineSource source(text);
    while (auto line = source.next()) {
      if (out_.lines.size() >= kAliasLinesMax) {
        mistake(line->number, fmt::format("more than {} lines", kAliasLinesMax));
        break;
      }
      if (!take(*line)) break;
    }
    return std::move(out_);
  }

 private:
  bool take(const LogicalLine& line) {
    AliasLine entry;
    if (style_ != AliasStyle::list) targets_ = 0;
    entry.line = line.number;
    std::string_view rest = line.text;
    if (style_ != AliasStyle::list && !take_name(line, rest, entry)) return true;
    for (;;) {
      std::size_t comma = find_unquoted(rest, ",");
      std::string_view one = trim(rest.substr(0, comma));
      if (!one.empty() && !is_empty_quotes(line, one)) {
        if (++targets_ > kAliasTargetsMax) {
          mistake(line.number, fmt::format("more than {} addresses", kAliasTargetsMax));
          return false;
        }
        entry.targets.push_back(target_of(one));
      }
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    if (entry.targets.empty() && style_ != AliasStyle::list)
      mistake(line.number, fmt::format("{} stands for nobody", printable(entry.name)));
    else
      out_.lines.push_back(std::move(entry));
    return true;
  }

  bool take_name(const LogicalLine& line, std::string_view& rest, AliasLine& entry) {
    bool aliases = style_ == AliasStyle::aliases;
    std::size_t end = find_unquoted(rest, aliases ? ":" : " \t");
    std::string_view name = trim(rest.substr(0, end));
    if (end == std::string_view::npos || name.empty()) {
      mistake(line.number, aliases ? "expected 'name: address, address'"
                                   : "expected 'address address, address'");
      return false;
    }
    entry.name = aliases ? without_quotes(name) : std::string(name);
    rest.remove_prefix(end + 1);
    return true;
  }

  bool is_empty_quotes(const LogicalLine& line, std::string_view text) {
    if (!is_quoted(text) || text.size() > 2) return false;
    mistake(line.number, "\"\" is no address");
    return true;
  }

  void mistake(int line, std::string message) {
    out_.mistakes.push_back({line, std::move(message)});
  }

  AliasStyle style_;
  AliasText out_;
  std::size_t targets_ = 0;
};

}  // namespace

AliasText parse_alias_text(std::string_view text, AliasStyle style) {
  return Parser(style).run(text);
}

}  // namespace postwain::config
