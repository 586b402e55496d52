#include "postwain/commands/filter_command.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/content/header_form.h"
#include "common/mail/queue_id.h"
#include "postwain/checking/checked_config.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/commands/filter_reports.h"
#include "postwain/process/child_environment.h"
#include "postwain/process/identity.h"
#include "postwain/process/programs.h"
#include "postwain/process/role_bundle.h"
#include "postwain/process/spawn.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
using Command = ipc::OperatorCommand;

constexpr std::size_t kMessageMax = 60U << 20;
constexpr std::size_t kReportMax = 16U << 20;

Result<UniqueFd> in_memory(std::string_view bytes) {
  UniqueFd fd(::memfd_create("postwain-trial", MFD_CLOEXEC));
  if (!fd) return system_error("memfd_create", errno);
  if (Status written = write_all(fd.get(), bytes); !written) return written.error();
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// The report of the program `filter`. An error has a sysexits code.
Result<std::string> trial(const config::Loaded& loaded, const std::string& request) {
  auto programs = find_programs();
  if (!programs) return Error{programs.error().text, kExitUnavailable};
  auto identities = resolve_identities(loaded.config.users, ::geteuid());
  if (!identities) return Error{identities.error().text, kExitConfig};
  auto bundle = sealed_bundle(bundle_for(Kind::filter, loaded));
  auto asked = in_memory(request);
  auto report = in_memory({});
  for (const auto* one : {&bundle, &asked, &report})
    if (!*one) return Error{one->error().text, kExitOsError};
  std::optional<Identity> who;
  if (identities->change) who = identities->at(Kind::filter);
  auto pid = spawn(Program{*programs + "/filter",
                           {"filter", "trial", "--name", "filter[trial]", "--bundle-fd", "3"},
                           {bundle->get(), asked->get(), report->get()},
                           who,
                           environment_for(Kind::filter, environ)});
  if (!pid) return Error{pid.error().text, kExitOsError};
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0)
    if (errno != EINTR) return Error{system_error("waitpid", errno).text, kExitOsError};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != kExitOk)
    return Error{"the program filter has ended without a report", kExitSoftware};
  ::lseek(report->get(), 0, SEEK_SET);
  auto text = read_small_fd(report->get(), kReportMax);
  if (!text) return Error{text.error().text, kExitIoError};
  return text;
}

// lists: DNS lists are enough to be looked at.
Result<config::Loaded> loaded_for_trial(const std::string& file, bool lists) {
  config::Loaded loaded = load_checked(file);
  for (const config::Diagnostic& d : loaded.diagnostics) fmt::print(stderr, "{}\n", d.text());
  if (!loaded.diagnostics.empty()) return Error{"the configuration has mistakes", kExitConfig};
  const config::Config& config = loaded.config;
  if (lists && config.filters.empty() && config.strangers.lists.empty())
    return Error{"the configuration has neither [[filter]] nor [[dns_list]]", kExitConfig};
  if (!lists && config.filters.empty() && config.content_rules.empty() &&
      !config.authentication.wanted)
    return Error{"the configuration has no [[filter]], [[content_rule]] or [authentication]",
                 kExitConfig};
  return loaded;
}

// --- the message ---------------------------------------------------------------------------------

struct Subject {
  std::string content;
  std::string sender;
  std::vector<std::string> recipients;
  std::string client;
  std::string hello;
  bool logged_in = false;
};

Result<std::vector<Json>> answers(const config::Config& config, const OperatorRequest& request) {
  std::vector<Json> out;
  auto code = ask(config, request.text(),
                  [&out](const std::string& text) {
                    Json one = parse_answer(text);
                    if (!one.empty()) out.push_back(std::move(one));
                  },
                  {.give_up_root = false});
  if (!code) return code.error();
  if (*code == kExitOk) return out;
  return Error{out.empty() ? "refused" : error_member(out.back(), "refused"), *code};
}

Result<Subject> from_queue(const config::Config& config, const std::string& id) {
  OperatorRequest show(Command::queue_show);
  show.with(ipc::CommandArgument::filter, {{"id", id}});
  auto shown = answers(config, show);
  if (!shown) return shown.error();
  Subject out;
  std::uint64_t size = 0;
  for (const Json& part : *shown) {
    if (!part.contains("recipients")) continue;
    out.sender = raw_member(part, "sender");
    out.client = raw_member(part, "client_address");
    out.hello = raw_member(part, "client_name");
    out.logged_in = !raw_member(part, "account").empty();
    size = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_member(part, "size")));
    for (const Json& recipient : list_member(part, "recipients"))
      out.recipients.push_back(raw_member(recipient, "address"));
  }
  if (size > kMessageMax) return Error{"the message is too large for a test", kExitDataError};
  while (out.content.size() < size) {
    OperatorRequest request(Command::queue_content);
    request.with(ipc::CommandArgument::filter, {{"id", id}})
        .with(ipc::CommandArgument::offset, out.content.size());
    auto piece = answers(config, request);
    if (!piece) return piece.error();
    auto bytes = piece->empty() ? std::nullopt : base64_decode(raw_member(piece->front(), "data"));
    if (!bytes || bytes->empty()) return Error{"qmgr gives no content of " + id, kExitIoError};
    out.content += *bytes;
  }
  return out;
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

// Of whom smtpd would tell the filters that he may send anywhere.
bool is_known(const config::Config& config, const Subject& subject) {
  const auto& networks = config.access.trusted_networks;
  return subject.logged_in ||
         std::any_of(networks.begin(), networks.end(), [&](const config::Network& network) {
           return contains(network, subject.client);
         });
}

Result<Subject> subject_of(const config::Config& config, const FilterTestOptions& test) {
  Subject out;
  bool is_file = test.message == "-" || ::access(test.message.c_str(), F_OK) == 0;
  if (!is_file && mail::QueueId::parse(test.message)) {
    auto found = from_queue(config, test.message);
    if (!found) return found;
    out = found.take();
  } else {
    auto bytes = test.message == "-" ? read_small_fd(STDIN_FILENO, kMessageMax)
                                     : read_small_file(test.message, kMessageMax);
    if (!bytes) return Error{bytes.error().text, kExitNoInput};
    out.content = with_crlf(*bytes);
  }
  if (!test.sender.empty()) out.sender = test.sender == "<>" ? "" : test.sender;
  if (!test.recipients.empty()) out.recipients = test.recipients;
  if (out.recipients.empty()) out.recipients.push_back(config.postmaster);
  if (!test.client.empty()) {
    out.client = test.client;
    out.logged_in = false;
  }
  if (!test.hello.empty()) out.hello = test.hello;
  if (out.client.empty()) out.client = "192.0.2.1";
  if (out.hello.empty()) out.hello = "client.invalid";
  return out;
}

}  // namespace

int filter_check_command(const ClientOptions& options) {
  auto loaded = loaded_for_trial(options.config_file, true);
  if (!loaded) return fail(loaded.error().code, "filter check: " + loaded.error().text);
  auto report = trial(*loaded, "{\"what\":\"check\"}\n");
  if (!report) return fail(report.error().code, "filter check: " + report.error().text);
  if (options.json)
    print_json(*report);
  else
    fmt::print("{}", filter_check_text(*report));
  return is_all_well(*report) ? kExitOk : kExitUnavailable;
}

int filter_test_command(const ClientOptions& options, const FilterTestOptions& test) {
  auto loaded = loaded_for_trial(options.config_file, false);
  if (!loaded) return fail(loaded.error().code, "filter test: " + loaded.error().text);
  const config::Config& config = loaded->config;
  if (config.listeners.empty()) return fail(kExitConfig, "filter test: there is no [[listener]]");
  std::string listener = test.listener.empty() ? config.listeners.front().name() : test.listener;
  if (std::none_of(config.listeners.begin(), config.listeners.end(),
                   [&](const config::Listener& one) { return one.name() == listener; }))
    return fail(kExitUsage, "filter test: no [[listener]] has the address " + listener);
  auto subject = subject_of(config, test);
  if (!subject) return fail(subject.error().code, "filter test: " + subject.error().text);
  Json asked = {{"what", "test"},
                {"listener", listener},
                {"client", subject->client},
                {"helo", subject->hello},
                {"known", is_known(config, *subject)},
                {"sender", subject->sender},
                {"recipients", subject->recipients}};
  auto report = trial(*loaded, asked.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" +
                                   subject->content);
  if (!report) return fail(report.error().code, "filter test: " + report.error().text);
  if (options.json) {
    print_json(*report);
  } else {
    std::size_t from = 0;
    mail::HeaderEnd end = mail::find_header_end(subject->content, from, true);
    std::string_view content = subject->content;
    fmt::print("{}",
               filter_test_text(*report, content.substr(0, end.header), content.substr(end.body)));
  }
  return raw_member(parse_answer(*report), "verdict") == "accept" ? kExitOk : kExitFailure;
}

}  // namespace postwain::tool
