#include "postwain/sendmail/sendmail_arguments.h"

#include "common/base/sysexits.h"
#include "common/base/text.h"

namespace postwain::tool {

namespace {

// Letters that take a value: the rest of the word, or the next one.
constexpr std::string_view kWithValue = "ABCDFLNORVXbefhopr";
// Letters that stand alone and mean nothing here: verbose, group permission, initial submission …
constexpr std::string_view kIgnored = "cdgJkMmnsTUvxG";

constexpr const char* kUsage =
    "usage: sendmail [-ti] [-f sender] [-F name] [-N notify] [-R ret] [-V envid] [recipient ...]\n"
    "       sendmail -bs | -bp | -bi | -bv recipient ... | -q\n"
    "See sendmail(8).\n";

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
      if (word == "--help") {
        out_.mode = SendmailArguments::Mode::help;
        continue;
      }
      if (word.size() < 2 || word.front() != '-') break;
      option(word);
    }
    bool options_over = at_ > 0 && at_ <= arguments_.size() && arguments_[at_ - 1] == "--";
    for (; at_ < arguments_.size(); ++at_) {
      const std::string& word = arguments_[at_];
      // As Postfix has it: behind the first recipient no option is looked for. It is hardly meant
      // as an address either.
      if (word == "--" && !options_over) {
        options_over = true;
        continue;
      }
      bool option_like = !options_over && word.size() > 1 && word.front() == '-';
      (option_like ? out_.not_addresses : out_.recipients).push_back(word);
    }
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

  // Letters in one word, the last of them perhaps with a value: -ti, -vt, -tif sender, -oem.
  void option(const std::string& word) {
    for (std::size_t i = 1; i < word.size() && out_.error.empty(); ++i) {
      char letter = word[i];
      if (kWithValue.find(letter) != std::string_view::npos) {
        std::string rest = word.substr(i + 1);
        auto value = rest.empty() ? next_word() : std::optional<std::string>(rest);
        if (value) with_value(letter, *value);
        return;
      }
      if (letter == 'q') {
        // -q, -q15m, -qIid, -qf …: whatever is asked about the queue here, it is tried now.
        out_.mode = SendmailArguments::Mode::retry_queue;
        return;
      }
      if (letter == 'i')
        out_.dot_is_data = true;
      else if (letter == 't')
        out_.recipients_from_header = true;
      else if (letter == 'I')
        out_.mode = SendmailArguments::Mode::aliases;
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
    else if (letter == "v")
      out_.mode = Mode::verify;
    else if (letter == "d" || letter == "D")
      refuse("-bd: the daemon is started with `postwain run`");
    else
      refuse("-b" + printable(letter, 10) + " is not a mode of this sendmail");
  }

  void with_value(char letter, const std::string& value) {
    if (letter == 'b') mode(value);
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

std::string_view sendmail_usage() {
  return kUsage;
}

SendmailArguments parse_sendmail_arguments(const std::vector<std::string>& arguments,
                                           bool as_mailq) {
  SendmailArguments out;
  if (as_mailq) out.mode = SendmailArguments::Mode::list_queue;
  ArgumentParser(arguments, out).run();
  if (!out.error.empty() || out.mode != SendmailArguments::Mode::deliver) return out;
  if (!out.recipients_from_header && out.recipients.empty()) {
    out.error = "no recipients: give addresses, or -t to take them from the header";
    out.exit_code = kExitUsage;
  }
  return out;
}

}  // namespace postwain::tool
