#include "postwain/sendmail_arguments.h"

#include "common/base/sysexits.h"
#include "common/base/text.h"

namespace postwain::tool {

namespace {

// Letters that take a value, in the same word or the next one.
constexpr std::string_view kWithValue = "ABCDFfhLNOoprRVX";
// Letters that stand alone and mean nothing here: verbose, group permission, initial submission …
constexpr std::string_view kIgnored = "cegJkMmnsTUvxG";

class ArgumentParser {
 public:
  ArgumentParser(const std::vector<std::string>& arguments, SendmailArguments& out)
      : arguments_(arguments), out_(out) {}

  void run() {
    for (; at_ < arguments_.size() && out_.error.empty(); ++at_) {
      const std::string& word = arguments_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word == "--config") {
        if (auto value = next_word()) out_.config_file = *value;
        continue;
      }
      if (word.compare(0, 9, "--config=") == 0) {
        out_.config_file = word.substr(9);
        continue;
      }
      if (word.size() < 2 || word.front() != '-') break;
      option(word);
    }
    for (; at_ < arguments_.size(); ++at_) out_.recipients.push_back(arguments_[at_]);
  }

 private:
  void refuse(std::string message, int code = kExitUsage) {
    out_.error = std::move(message);
    out_.exit_code = code;
  }

  std::optional<std::string> next_word() {
    if (at_ + 1 < arguments_.size()) return arguments_[++at_];
    refuse(arguments_[at_] + " needs a value");
    return std::nullopt;
  }

  void option(const std::string& word) {
    char letter = word[1];
    std::string rest = word.substr(2);
    if (letter == 'b') return mode(rest);
    if (letter == 'q') {
      // -q, -q15m, -qIid, -qf …: whatever is asked about the queue here, it is tried now.
      out_.mode = SendmailArguments::Mode::retry_queue;
      return;
    }
    if (letter == 'i' || letter == 't') return flags(word);
    if (kWithValue.find(letter) != std::string_view::npos) {
      auto value = rest.empty() ? next_word() : std::optional<std::string>(rest);
      if (value) with_value(letter, *value);
      return;
    }
    if (kIgnored.find(letter) != std::string_view::npos) return flags(word);
    refuse("unknown option " + printable(word, 40));
  }

  // Letters in one word: -ti, -it, -vt.
  void flags(const std::string& word) {
    for (char letter : std::string_view(word).substr(1)) {
      if (letter == 'i')
        out_.dot_is_data = true;
      else if (letter == 't')
        out_.recipients_from_header = true;
      else if (kIgnored.find(letter) == std::string_view::npos)
        return refuse("unknown option " + printable(word, 40));
    }
  }

  void mode(const std::string& letter) {
    using Mode = SendmailArguments::Mode;
    if (letter == "m")
      out_.mode = Mode::deliver;
    else if (letter == "p")
      out_.mode = Mode::list_queue;
    else if (letter == "i" || letter == "I")
      out_.mode = Mode::aliases;
    else if (letter == "s")
      out_.mode = Mode::smtp;
    else if (letter == "d" || letter == "D")
      refuse("-bd: the daemon is started with `postwain run`");
    else
      refuse("-b" + printable(letter, 10) + " is not a mode of this sendmail");
  }

  void with_value(char letter, const std::string& value) {
    if (letter == 'C') out_.config_file = value;
    if (letter == 'f' || letter == 'r') out_.sender = value == "<>" ? "" : value;
    if (letter == 'F') out_.full_name = value;
    // -oi and its long form -O IgnoreDots; the other settings of -o and -O are not ours.
    if (letter == 'o' && value.substr(0, 1) == "i") out_.dot_is_data = true;
    if (letter == 'O' && istarts_with(value, "IgnoreDots")) out_.dot_is_data = true;
    if (letter == 'V') envid(value);
    if (letter == 'N') notify(value);
    if (letter == 'R') ret(value);
  }

  // ENVID is printable ASCII of at most 100 characters (RFC 3461 4.4).
  void envid(const std::string& value) {
    for (char c : value)
      if (c < 0x21 || c > 0x7E) return refuse("-V takes printable characters without blanks");
    if (value.size() > 100) return refuse("-V takes at most 100 characters");
    out_.envid = value;
  }

  void notify(const std::string& value) {
    out_.notify.bits = 0;
    for (std::string_view word : split(value, ',')) {
      if (iequals(word, "never"))
        out_.notify.bits |= mail::Notify::never;
      else if (iequals(word, "success"))
        out_.notify.bits |= mail::Notify::success;
      else if (iequals(word, "failure"))
        out_.notify.bits |= mail::Notify::failure;
      else if (iequals(word, "delay"))
        out_.notify.bits |= mail::Notify::delay;
      else
        return refuse("-N takes never, or a list of success, failure, delay");
    }
    bool never = (out_.notify.bits & mail::Notify::never) != 0;
    if (never && out_.notify.bits != mail::Notify::never) refuse("-N never stands alone");
  }

  void ret(const std::string& value) {
    if (iequals(value, "full"))
      out_.ret = mail::DsnReturn::full;
    else if (iequals(value, "hdrs"))
      out_.ret = mail::DsnReturn::headers;
    else
      refuse("-R takes full or hdrs");
  }

  const std::vector<std::string>& arguments_;
  SendmailArguments& out_;
  std::size_t at_ = 0;
};

}  // namespace

SendmailArguments parse_sendmail_arguments(const std::vector<std::string>& arguments,
                                           bool as_mailq) {
  SendmailArguments out;
  if (as_mailq) out.mode = SendmailArguments::Mode::list_queue;
  ArgumentParser(arguments, out).run();
  if (!out.error.empty() || out.mode != SendmailArguments::Mode::deliver) return out;
  if (out.recipients_from_header && !out.recipients.empty()) {
    out.error = "with -t the recipients come from the header, none may be given as arguments";
    out.exit_code = kExitUsage;
  } else if (!out.recipients_from_header && out.recipients.empty()) {
    out.error = "no recipients: give addresses, or -t to take them from the header";
    out.exit_code = kExitUsage;
  }
  return out;
}

}  // namespace postwain::tool
