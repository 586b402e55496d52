#include "filter/trial/check.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/ipc/told_macros.h"
#include "filter/trial/probe.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;
using ipc::ToldMacro;

// The message that all are asked about: to the postmaster, from nobody.
SessionFacts made_up(const config::Config& config) {
  SessionFacts out;
  out.session.session = 1;
  out.session.family = ipc::FilterSession::Family::ipv4;
  out.session.client_address = kTrialClient;
  out.session.client_name = "[" + out.session.client_address + "]";
  if (!config.listeners.empty()) out.session.listener = config.listeners.front().name();
  auto tell = [&](ToldMacro macro, const std::string& value) {
    out.macros[std::string(name_of(macro))] = value;
  };
  tell(ToldMacro::hostname, config.hostname);
  tell(ToldMacro::product, "Postwain");
  tell(ToldMacro::client_address, out.session.client_address);
  tell(ToldMacro::client_name, out.session.client_name);
  tell(ToldMacro::queue_id, "CHECK");
  out.helo = kTrialHello;
  out.envelope = EnvelopeFacts{"<>", {}, {"<" + config.postmaster + ">"}};
  return out;
}

class Check final : private MemberOwner {
 public:
  Check(Shared& shared, const config::Config& config, ListPort& dns);
  Json report() const;

 private:
  struct One {
    std::unique_ptr<Probe> probe;
    Json found;  // so far what it is called
    bool over = false;
  };

  void member_changed() override;
  void look();

  Shared& shared_;
  SessionFacts facts_;
  std::vector<One> filters_;
  std::vector<One> lists_;
  net::Timer next_;
};

Check::Check(Shared& shared, const config::Config& config, ListPort& dns)
    : shared_(shared), facts_(made_up(config)), next_(shared.loop) {
  MemberOwner& owner = *this;
  for (const config::Filter& settings : config.filters) {
    One& one = filters_.emplace_back();
    one.found = {{"filter", settings.name},
                 {"speaks", name_of(settings.speak)},
                 {"socket", settings.socket.text()}};
    switch (settings.speak) {
      case config::FilterProtocol::milter:
        one.probe = milter_probe(shared, settings, config.authentication.wanted, owner);
        break;
      case config::FilterProtocol::policy:
        one.probe = policy_probe(shared, settings, facts_, owner);
        break;
      case config::FilterProtocol::rspamd:
        one.probe = rspamd_probe(shared, settings, facts_, owner);
        break;
    }
  }
  for (const config::DnsList& list : config.strangers.lists)
    lists_.push_back({list_probe(shared, list, dns, owner), {{"list", list.label}}});
  member_changed();
}

Json Check::report() const {
  Json out = {{"filters", Json::array()}, {"dns_lists", Json::array()}};
  auto told = [](const One& one) {
    Json found = one.found;
    if (!one.over)
      found.update(failed_probe(ipc::FilterFailure::late, "the check ended before its answer"));
    return found;
  };
  for (const One& one : filters_) out["filters"].push_back(told(one));
  for (const One& one : lists_) out["dns_lists"].push_back(told(one));
  return out;
}

// Later, since who has something to tell is not to be destroyed meanwhile.
void Check::member_changed() {
  next_.start(Duration{}, [this] { look(); });
}

void Check::look() {
  bool over = true;
  for (auto* all : {&filters_, &lists_}) {
    for (One& one : *all) {
      if (one.over) continue;
      std::optional<Json> found = one.probe->poll();
      one.over = found.has_value();
      over = over && one.over;
      if (!found) continue;
      one.found.update(*found);
      one.probe.reset();
    }
  }
  if (over) shared_.loop.stop();
}

}  // namespace

std::string check_filters(Shared& shared, const config::Config& config, ListPort& dns) {
  Check check(shared, config, dns);
  shared.loop.run();
  return check.report().dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace postwain::filter
