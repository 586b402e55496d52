#include "postwain/explain/explain_command.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/smtp/syntax/address_syntax.h"
#include "postwain/checking/checked_config.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/explain/explain_hosts.h"
#include "postwain/explain/explanation_bounds.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

Json hosts_json(const agent::NextHosts& hosts) {
  Json list = Json::array();
  for (const agent::Candidate& c : hosts.candidates)
    list.push_back({{"host", c.host},
                    {"address", c.endpoint.text()},
                    {"tls", mail::name_of(c.tls.level)},
                    {"tls_policy", c.tls.policy}});
  return list;
}

Json json_of(const Explanation& e, const Question& question) {
  Json out;
  out["address"] = question.recipient;
  out["decision"] = name_of(e.decision);
  out["reply"] = e.reply.one_line();
  for (const auto* steps : {&e.steps, &e.bounds})
    for (const ExplainedStep& step : *steps)
      out["steps"].push_back({{"step", step.name}, {"what", step.what}, {"origin", step.origin}});
  Json& route = out["route"];
  route["destination"] = e.destination;
  route["origin"] = e.route.origin.text();
  route["tls"] = mail::name_of(e.route.transport.tls);
  route["login"] = e.route.transport.credential.present();
  route["sources"] = e.route.transport.sources;
  route["family"] = mail::name_of(e.route.transport.family);
  route["certificate"] = !e.route.transport.certificate.chain.empty();
  route["fallback"] = fallback_text(e.route);
  route["xforward"] = e.route.transport.xforward;
  route["in_doubt"] = e.route.hold_in_doubt ? "hold" : "retry";
  const mail::Bounds& bounds = e.route.transport.bounds;
  route["connections"] = bounds.connections;
  route["in_flight"] = bounds.in_flight;
  route["route_connections"] = bounds.route_connections;
  route["connection_rate"] =
      bounds.rate_count > 0
          ? fmt::format("{}/{}", bounds.rate_count, format_duration(bounds.rate_period))
          : std::string();
  route["rate"] = e.route.rate_count > 0 ? fmt::format("{}/{}", e.route.rate_count,
                                                       format_duration(e.route.rate_period))
                                         : std::string();
  out["filters"] = e.filters;
  Json& targets = out["stands_for"] = Json::array();
  for (const Explanation::Target& one : e.targets)
    targets.push_back(
        {{"address", one.address}, {"reverse_path", one.owner}, {"destination", one.destination}});
  Json& schedule = out["schedule"] = Json::object();
  for (Duration delay : e.schedule) schedule["retry"].push_back(format_duration(delay));
  schedule["lifetime"] = format_duration(e.lifetime);
  return out;
}

void print_step(const std::string& name, const std::string& what, const std::string& origin) {
  fmt::print("{:<10} {}{}\n", name, printable(what, 2048),
             origin.empty() ? std::string() : fmt::format("\n{:<10}   {}", "", origin));
}

// The first few; a list may be long.
void print_targets(const Explanation& e) {
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < e.targets.size() && i < kShown; ++i) {
    const Explanation::Target& one = e.targets[i];
    print_step(i == 0 ? "goes to" : "",
               fmt::format("<{}> by {}{}", one.address, one.destination,
                           one.owner.empty() ? "" : ", bounces to <" + one.owner + ">"),
               {});
  }
  if (e.targets.size() > kShown)
    print_step("", fmt::format("and {} more", e.targets.size() - kShown), {});
}

void print(const Explanation& e) {
  for (const ExplainedStep& step : e.steps) print_step(step.name, step.what, step.origin);
  print_targets(e);
  for (const ExplainedStep& step : e.bounds) print_step(step.name, step.what, step.origin);
}

void print_hosts(const agent::NextHosts& hosts) {
  if (hosts.refusal)
    print_step("next hop",
               fmt::format("none: {} {}", name_of(hosts.refusal->disposition),
                           hosts.refusal->reply.one_line()),
               {});
  const char* name = "next hop";
  for (const agent::Candidate& c : hosts.candidates) {
    print_step(
        name,
        fmt::format("{} at {}, TLS {}{}", c.host, c.endpoint.text(), mail::name_of(c.tls.level),
                    c.tls.policy.empty() ? "" : " (" + c.tls.policy + ")"),
        {});
    name = "";
  }
}

// What holds mail there at this moment, as the running server says; empty where none answers.
Json look_at_now(const config::Config& config, const Explanation& e, const Question& question) {
  std::string recipient = e.targets.empty() ? question.recipient : e.targets.front().address;
  if (recipient.find('@') == std::string::npos) recipient = config.postmaster;
  OperatorRequest request(ipc::OperatorCommand::queue_way);
  request.with(ipc::CommandArgument::query, recipient)
      .with(ipc::CommandArgument::sender, question.sender)
      .with(ipc::CommandArgument::client, question.client);
  Json answer = Json::object();
  auto result = ask(config, request.text(),
                    [&answer](const std::string& json) { answer = parse_answer(json); });
  return result && *result == kExitOk ? answer : Json::object();
}

// A local name is asked about as sendmail would send to it.
std::string completed(const std::string& name, const config::Config& config) {
  bool is_local = !name.empty() && name.find('@') == std::string::npos;
  return is_local && !iequals(name, "postmaster") ? name + "@" + config.addresses.origin : name;
}

int check(const Question& q) {
  auto is_address = [](const std::string& text) { return smtp::parse_mailbox(text).has_value(); };
  if (!is_address(q.recipient) && !iequals(q.recipient, "postmaster"))
    return fail(kExitUsage, fmt::format("'{}' is not an address", printable(q.recipient)));
  if (!q.sender.empty() && !is_address(q.sender))
    return fail(kExitUsage, fmt::format("--from: '{}' is not an address", printable(q.sender)));
  if (!q.client.empty() && !config::parse_network(q.client))
    return fail(kExitUsage,
                fmt::format("--client: '{}' is not an IP address", printable(q.client)));
  return kExitOk;
}

}  // namespace

int explain_command(const ClientOptions& options, const ExplainOptions& explained) {
  Question question = explained.question;
  if (question.sender == "<>") question.sender.clear();
  config::Loaded loaded = load_checked(options.config_file);
  if (!loaded.diagnostics.empty()) {
    for (const config::Diagnostic& one : loaded.diagnostics) fmt::print(stderr, "{}\n", one.text());
    return kExitConfig;
  }
  for (std::string* name : {&question.recipient, &question.sender})
    *name = completed(*name, loaded.config);
  if (int wrong = check(question); wrong != kExitOk) return wrong;
  if (!explained.no_dns) {
    auto facts = look_at_client(loaded.config, question);
    if (!facts) return fail(kExitUnavailable, facts.error().text);
    question.facts = facts.take();
  }
  question.now = wall_now();
  Explanation explanation = explain(loaded.config, question);
  Json json = json_of(explanation, question);
  if (!options.json) print(explanation);
  if (!explained.no_dns) {
    auto hosts = look_up_hosts(loaded.config, explanation.route.transport);
    if (!hosts) return fail(kExitUnavailable, hosts.error().text);
    json["next_hops"] = hosts_json(*hosts);
    json["next_hop_refusal"] = hosts->refusal ? hosts->refusal->reply.one_line() : std::string();
    if (!options.json) print_hosts(*hosts);
  }
  // Last, since whoever is root is somebody else afterwards (control_client.h).
  if (Json now = look_at_now(loaded.config, explanation, question); !now.empty()) {
    json["now"] = now;
    std::string why = raw_member(now, "waiting_reason");
    if (!options.json && !why.empty()) print_step("now", "mail there waits: " + why, {});
  }
  if (options.json) fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  return kExitOk;
}

}  // namespace postwain::tool
