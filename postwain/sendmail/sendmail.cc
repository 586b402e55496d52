#include "postwain/sendmail/sendmail.h"

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/content/content_fields.h"
#include "common/content/header_form.h"
#include "postwain/checking/checked_config.h"
#include "postwain/client/client_options.h"
#include "postwain/client/drop.h"
#include "postwain/client/drop_file.h"
#include "postwain/client/submission.h"
#include "postwain/commands/process_commands.h"
#include "postwain/commands/queue_command.h"
#include "postwain/sendmail/address_list.h"
#include "postwain/sendmail/local_header.h"
#include "postwain/sendmail/local_input.h"
#include "postwain/sendmail/sendmail_arguments.h"
#include "postwain/sendmail/sendmail_session.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kHeaderMax = 1U << 20;

int refuse(int exit_code, const std::string& message) {
  fmt::print(stderr, "sendmail: {}\n", message);
  return exit_code;
}

struct Account {
  std::string name;
  std::string full_name;
};

Account own_account() {
  const passwd* entry = ::getpwuid(::getuid());
  if (entry == nullptr) return Account{fmt::format("uid{}", ::getuid()), {}};
  std::string full = entry->pw_gecos == nullptr ? "" : entry->pw_gecos;
  return Account{entry->pw_name, full.substr(0, full.find(','))};
}

// Standard input as content, read piece by piece.
class Input {
 public:
  explicit Input(bool dot_is_data) : lines_(dot_is_data) {}

  Result<bool> more(std::string& out) {
    if (done_) return false;
    char block[32768];
    ssize_t n = 0;
    do n = ::read(STDIN_FILENO, block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n < 0) return Error{system_error("standard input", errno).text, kExitIoError};
    if (n > 0) lines_.feed(std::string_view(block, static_cast<std::size_t>(n)), out);
    done_ = n == 0 || lines_.ended();
    if (n == 0) lines_.finish(out);
    return !done_;
  }

  // Takes the header section off the input; what was read beyond it stays in rest.
  Result<std::string> header(std::string& rest) {
    std::string text;
    std::size_t scanned = 0;
    for (;;) {
      mail::HeaderEnd end = mail::find_header_end(text, scanned, done_);
      if (end.found) {
        rest = text.substr(end.body);
        return text.substr(0, end.header);
      }
      if (text.size() > kHeaderMax)
        return Error{fmt::format("the header is larger than {} bytes", kHeaderMax), kExitDataError};
      Result<bool> read = more(text);
      if (!read) return read.error();
    }
  }

  bool eight_bit() const { return lines_.eight_bit(); }

 private:
  LocalInput lines_;
  bool done_ = false;
};

// Exactly one address, completed with the domain of local names.
std::optional<mail::Address> one_address(const std::string& text, const std::string& origin) {
  auto list = parse_address_list(text);
  if (!list || list->size() != 1) return std::nullopt;
  const mail::Address& address = list->front();
  return address.has_domain() ? address : mail::Address(address.local(), origin);
}

struct PreparedMessage {
  SubmissionSource source;
  std::string error;
  int exit_code = 0;
};

struct GivenRecipients {
  std::vector<mail::Address> addresses;
  std::vector<AddressList::Bad> bad;

  void add(AddressList list) {
    for (mail::Address& address : list.addresses) addresses.push_back(std::move(address));
    for (AddressList::Bad& one : list.bad) bad.push_back(std::move(one));
  }
};

// Of the header and of the arguments together, as Postfix has it.
GivenRecipients wanted_recipients(const SendmailArguments& arguments, const std::string& header) {
  GivenRecipients out;
  if (arguments.recipients_from_header) {
    HeaderRecipients found = header_recipients(header);
    out.addresses = std::move(found.addresses);
    out.bad = std::move(found.bad);
  }
  for (const std::string& text : arguments.recipients) {
    AddressList list = read_address_list(text);
    if (list.addresses.empty() && list.bad.empty()) list.bad.push_back({text, {}});
    for (AddressList::Bad& one : list.bad) one.why = "'" + one.text + "' is not an address";
    out.add(std::move(list));
  }
  for (const std::string& word : arguments.not_addresses)
    out.bad.push_back({word, "'" + word + "' stands behind a recipient and is no address"});
  return out;
}

PreparedMessage make_envelope(const SendmailArguments& arguments, const config::Config& config,
                              const Account& account, const std::string& header) {
  PreparedMessage prepared;
  auto wrong = [&prepared](int code, std::string message) {
    prepared.exit_code = code;
    prepared.error = std::move(message);
    return std::move(prepared);
  };
  mail::Envelope& envelope = prepared.source.envelope;
  std::string sender = arguments.sender.value_or(account.name);
  if (!sender.empty()) {
    auto address = one_address(sender, config.addresses.origin);
    if (!address) return wrong(kExitUsage, "'" + sender + "' is not a sender address");
    envelope.reverse_path = *address;
  }
  GivenRecipients wanted = wanted_recipients(arguments, header);
  // Where nobody at all can get it there is nothing to queue, and the caller hears at once.
  if (wanted.addresses.empty())
    return wrong(kExitDataError,
                 wanted.bad.empty() ? "the header names no recipient" : wanted.bad.front().why);
  if (wanted.addresses.size() + wanted.bad.size() > ipc::kLocalRecipientsMax)
    return wrong(kExitDataError, fmt::format("{} recipients, at most {} are taken",
                                             wanted.addresses.size() + wanted.bad.size(),
                                             ipc::kLocalRecipientsMax));
  for (mail::Address& address : wanted.addresses) {
    if (!address.has_domain()) address = mail::Address(address.local(), config.addresses.origin);
    envelope.smtputf8 = envelope.smtputf8 || address.is_utf8();
    envelope.recipients.push_back(mail::Recipient{std::move(address), arguments.notify, {}});
  }
  for (const AddressList::Bad& bad : wanted.bad)
    envelope.recipients.push_back(not_an_address(bad.text));
  envelope.smtputf8 = envelope.smtputf8 || envelope.reverse_path.is_utf8();
  envelope.body = mail::BodyType::eight_bit_mime;
  envelope.tls_required_no = mail::tls_required_no(header);
  envelope.ret = arguments.ret;
  envelope.envid = arguments.envid;
  prepared.source.arrival = ipc::Arrival{"local", {}, {}, account.name, wall_now()};
  return prepared;
}

// Callers know a handful of codes; all else that another attempt may mend is one of them.
int exit_code_for(int code) {
  return code == kExitDataError || code == kExitUsage || code == kExitUnavailable ? code
                                                                                  : kExitTempFail;
}

// -bv: whether these are addresses. Where they lead `postwain explain` tells, to those who may
// know.
int verify(const SendmailArguments& arguments, const config::Config& config) {
  GivenRecipients wanted = wanted_recipients(arguments, {});
  for (const mail::Address& address : wanted.addresses)
    fmt::print("{} ... is an address\n", address.has_domain()
                                             ? address.text()
                                             : address.text() + "@" + config.addresses.origin);
  for (const AddressList::Bad& bad : wanted.bad) fmt::print("{}\n", bad.why);
  return wanted.bad.empty() ? kExitOk : kExitUnavailable;
}

int deliver(const SendmailArguments& arguments, const config::Config& config) {
  Account account = own_account();
  Input input(arguments.dot_is_data);
  std::string rest;
  Result<std::string> header = input.header(rest);
  if (!header) return refuse(exit_code_for(header.error().code), header.error().text);
  PreparedMessage prepared = make_envelope(arguments, config, account, *header);
  if (!prepared.error.empty()) return refuse(prepared.exit_code, prepared.error);

  mail::Hops hops = mail::count_hops(*header, config.hostname);
  if (hops.all >= config.limits.hops || hops.own >= config.limits.own_hops)
    return refuse(kExitUnavailable, "too many hops, mail loop");

  SubmissionSource& source = prepared.source;
  source.size_max = config.limits.message_size;
  source.eight_bit = [&input] { return input.eight_bit(); };
  source.more = [&input](std::string& out) { return input.more(out); };
  source.head = [&](mail::QueueId id) {
    const mail::Address& sender = source.envelope.reverse_path;
    LocalOrigin origin{
        id,
        source.arrival.received_at,
        config.hostname,
        config.addresses.origin,
        sender.is_null() ? account.name + "@" + config.addresses.origin : sender.text(),
        arguments.full_name.empty() ? account.full_name : arguments.full_name};
    return complete_header(*header, origin) + rest;
  };
  bool begun = false;
  auto head = source.head;
  source.head = [&](mail::QueueId id) {
    begun = true;
    return head(id);
  };
  auto reply = submit(config, source);
  // What submits mail takes 69 for a refusal for good; a server that does not run is none.
  if (!reply && reply.error().code == kExitUnavailable)
    reply = Error{reply.error().text, kExitTempFail};
  if (!reply && reply.error().code == kExitTempFail && !begun && !config.drop_dir.empty()) {
    Status dropped = drop(config, source);
    if (dropped) return kExitOk;
    return refuse(dropped.error().code, reply.error().text + "; " + dropped.error().text);
  }
  if (!reply) return refuse(exit_code_for(reply.error().code), reply.error().text);
  if (reply->positive()) return kExitOk;
  return refuse(reply->permanent() ? kExitUnavailable : kExitTempFail,
                "not accepted: " + reply->one_line());
}

// newaliases: there is nothing to build, but what runs has to read the files again.
int new_aliases(const ClientOptions& options) {
  config::Loaded loaded = load_checked(options.config_file);
  for (const config::Diagnostic& one : loaded.diagnostics) fmt::print(stderr, "{}\n", one.text());
  for (const config::Diagnostic& one : loaded.warnings)
    fmt::print(stderr, "warning: {}\n", one.text());
  if (!loaded.diagnostics.empty()) return kExitConfig;
  fmt::print("{} aliases, {} virtual addresses\n", loaded.config.addresses.aliases.size(),
             loaded.config.addresses.virtual_addresses.size());
  if (::access(loaded.config.qmgr_socket().c_str(), F_OK) == 0) return reload_command(options);
  fmt::print("Postwain does not run; it reads them when it starts\n");
  return kExitOk;
}

}  // namespace

int sendmail_command(const std::vector<std::string>& arguments, const std::string& config_file,
                     bool as_mailq) {
  ::signal(SIGPIPE, SIG_IGN);
  SendmailArguments parsed = parse_sendmail_arguments(arguments, as_mailq);
  if (!parsed.error.empty()) return refuse(parsed.exit_code, parsed.error);
  ClientOptions options{parsed.config_file.empty() ? config_file : parsed.config_file, false};
  QueueFilter everything;
  everything.all = true;
  switch (parsed.mode) {
    case SendmailArguments::Mode::list_queue:
      return queue_command(options, ipc::OperatorCommand::queue_list, everything);
    case SendmailArguments::Mode::retry_queue:
      return queue_command(options, ipc::OperatorCommand::queue_retry, everything);
    case SendmailArguments::Mode::aliases:
      return new_aliases(options);
    case SendmailArguments::Mode::help:
      fmt::print("{}", sendmail_usage());
      return kExitOk;
    case SendmailArguments::Mode::deliver:
    case SendmailArguments::Mode::smtp:
    case SendmailArguments::Mode::verify:
      break;
  }
  config::Config config = sendmail_config(options.config_file);
  if (parsed.mode == SendmailArguments::Mode::smtp)
    return serve_standard_input(config, own_account().name);
  if (parsed.mode == SendmailArguments::Mode::verify) return verify(parsed, config);
  return deliver(parsed, config);
}

}  // namespace postwain::tool
