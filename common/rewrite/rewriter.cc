#include "common/rewrite/rewriter.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"

namespace postwain::rewrite {

namespace {

std::string key_of(std::string_view local, const std::string& domain) {
  return to_lower(local) + '@' + domain;
}

std::string key_of(const mail::Address& address) {
  return key_of(address.local_unquoted(), address.domain_key());
}

}  // namespace

std::string_view text_of(Problem problem) {
  switch (problem) {
    case Problem::none:
      break;
    case Problem::loop:
      return "leads back to itself";
    case Problem::too_many:
      return "stands for too many addresses";
    case Problem::nobody:
      return "leads to a list without members";
    case Problem::unfit:
      return "leads to something that is no address";
    case Problem::fault:
      return "stands for something that mail cannot be delivered to";
    case Problem::unknown:
      return "is no sender that was rewritten here";
  }
  return "";
}

// What one expansion has seen so far.
struct Rewriter::Walk {
  Expansion out;
  bool with_steps = false;
  std::vector<std::string> path;               // of keys, from the first address to this one
  std::unordered_set<std::string> seen;        // owner, address: looked up already
  std::unordered_set<std::string> in_targets;  // the same, among the targets

  void discard(const mail::Address& address, const Match& match, const mail::Address& owner) {
    if (with_steps)
      out.steps.push_back({match.map, address.text(), "/dev/null", match.entry->origin});
    if (in_targets.insert("/dev/null\n" + key_of(address)).second)
      out.targets.push_back({address, owner, true});
  }

  void fail(Problem problem, const config::Origin& origin) {
    if (out.problem != Problem::none) return;
    out.problem = problem;
    out.origin = origin;
  }
};

Rewriter::Rewriter(const config::Addresses& addresses)
    : addresses_(addresses),
      alias_domains_(addresses.alias_domains.begin(), addresses.alias_domains.end()),
      idle_(addresses.sender_canonical.empty() && addresses.recipient_canonical.empty() &&
            addresses.virtual_addresses.empty() && addresses.aliases.empty() &&
            addresses.sender_bcc.empty() && addresses.recipient_bcc.empty()) {}

Rewriter::Rewriter(const config::Addresses& addresses, const config::SrsRewriting& srs)
    : Rewriter(addresses) {
  if (!srs.is_on()) return;
  idle_ = false;
  srs_ = &srs;
  returns_.emplace(SrsSettings{srs.domain, srs.secrets, srs.separator});
}

Rewriter::Returned Rewriter::returned(const mail::Address& address) const {
  if (!returns_ || !address.has_domain() || address.domain_key() != srs_->domain) return {};
  if (returns_->is_ours(address)) {
    SrsOutcome found = returns_->sender_behind(address);
    if (found.problem != SrsProblem::none) return {Problem::unknown};
    return {Problem::none, std::move(found.address)};
  }
  if (srs_->shared) return {};
  if (!iequals(address.local_unquoted(), "postmaster")) return {Problem::unknown};
  return {Problem::none, mail::Address::from_text(srs_->postmaster)};
}

mail::Address Rewriter::sender_behind(const mail::Address& reverse_path) const {
  if (!returns_ || !returns_->is_ours(reverse_path)) return reverse_path;
  SrsOutcome found = returns_->sender_behind(reverse_path);
  return found.problem == SrsProblem::none ? found.address : reverse_path;
}

std::string_view Rewriter::without_tag(std::string_view local) const {
  if (addresses_.separator.empty()) return local;
  std::size_t at = local.find(addresses_.separator);
  return at == std::string_view::npos || at == 0 ? local : local.substr(0, at);
}

Rewriter::Match Rewriter::find_in(const config::AddressMap& map, std::string_view name,
                                  const mail::Address& address) const {
  if (map.empty() || !address.has_domain()) return {};
  std::string local = address.local_unquoted();
  std::string domain = address.domain_key();
  auto found = map.find(key_of(local, domain));
  if (found != map.end()) return {&found->second, name, {}, {}};
  std::string_view base = without_tag(local);
  if (base.size() < local.size()) {
    found = map.find(key_of(base, domain));
    if (found != map.end()) return {&found->second, name, local.substr(base.size()), {}};
  }
  found = map.find('@' + domain);
  if (found != map.end()) return {&found->second, name, {}, {}};
  return {};
}

bool Rewriter::has_line(const mail::Address& address) const {
  std::string key = key_of(address);
  return addresses_.recipient_canonical.contains(key) ||
         addresses_.virtual_addresses.contains(key) ||
         (alias_domains_.contains(address.domain_key()) &&
          addresses_.aliases.contains(to_lower(address.local_unquoted())));
}

// A tag ends at an alias: nobody knows whose it would be in a list.
Rewriter::Match Rewriter::find_alias(const mail::Address& address) const {
  const config::AddressMap& map = addresses_.aliases;
  if (map.empty() || !alias_domains_.contains(address.domain_key())) return {};
  std::string local = to_lower(address.local_unquoted());
  auto found = map.find(local);
  if (found == map.end()) found = map.find(std::string(without_tag(local)));
  if (found == map.end()) return {};
  Match match{&found->second, "alias", {}, {}};
  constexpr std::string_view kOwner = "owner-";
  if (found->first.compare(0, kOwner.size(), kOwner) != 0) {
    std::string owner = std::string(kOwner) + found->first;
    if (map.contains(owner)) match.alias_owner = std::move(owner);
  }
  return match;
}

Rewriter::Match Rewriter::find(const mail::Address& address) const {
  Match match = find_in(addresses_.virtual_addresses, "virtual", address);
  return match.entry != nullptr ? match : find_alias(address);
}

// The tag is the client's word. Quotes that held it together in his address are gone by now, so it
// is put into new ones; else it would end our command's path and begin something of his choice.
std::optional<mail::Address> Rewriter::target_address(const config::AddressTarget& target,
                                                      const Match& match,
                                                      const mail::Address& from) {
  if (target.address.front() == '@')
    return smtp::parse_mailbox(std::string(from.local()) + target.address);
  mail::Address to = mail::Address::from_text(target.address);
  if (!to.has_domain()) to = mail::Address(target.address, from.domain());
  if (!match.tag.empty())
    to = mail::Address(smtp::local_in_wire_form(to.local_unquoted() + match.tag), to.domain());
  return smtp::parse_mailbox(to.text());
}

// One address becomes one other, until no line applies any more.
mail::Address Rewriter::canonical(const config::AddressMap& map, const mail::Address& address,
                                  Resolved* told, std::vector<Step>* steps) const {
  mail::Address now = address;
  for (std::size_t depth = 0; depth < kDepthMax; ++depth) {
    Match match = find_in(map, "canonical", now);
    if (match.entry == nullptr || match.entry->targets.empty()) return now;
    if (match.entry->targets.front().discard) return now;  // an address is not thrown away
    auto next = target_address(match.entry->targets.front(), match, now);
    if (next && key_of(*next) == key_of(now)) return *next;
    if (told != nullptr && !told->changed) {
      told->changed = true;
      told->origin = &match.entry->origin;
    }
    if (!next) {
      if (told != nullptr) told->problem = Problem::unfit;
      return now;
    }
    if (steps != nullptr)
      steps->push_back({match.map, now.text(), next->text(), match.entry->origin});
    now = *std::move(next);
  }
  if (told != nullptr) told->problem = Problem::loop;
  return now;
}

mail::Address Rewriter::sender(const mail::Address& address) const {
  if (addresses_.sender_canonical.empty() || !address.has_domain()) return address;
  Resolved told;
  mail::Address found = canonical(addresses_.sender_canonical, address, &told, nullptr);
  return told.problem == Problem::none ? found : address;
}

void Rewriter::expand_into(Walk& walk, const mail::Address& address,
                           const mail::Address& owner) const {
  if (walk.out.problem != Problem::none) return;
  std::string key = key_of(address);
  std::string with_owner = owner.text() + '\n' + key;
  Match match = walk.path.size() < kDepthMax ? find(address) : Match{};
  if (walk.path.size() >= kDepthMax) return walk.fail(Problem::loop, walk.out.origin);
  // A parent that names itself, or an address without a line: here it ends.
  bool own_parent = !walk.path.empty() && walk.path.back() == key;
  if (match.entry == nullptr || own_parent) {
    if (!walk.in_targets.insert(with_owner).second) return;
    if (walk.out.targets.size() >= kTargetsMax)
      return walk.fail(Problem::too_many, walk.out.origin);
    walk.out.targets.push_back({address, owner, false});
    return;
  }
  if (std::find(walk.path.begin(), walk.path.end(), key) != walk.path.end())
    return walk.fail(Problem::loop, match.entry->origin);
  if (!walk.seen.insert(with_owner).second) return;
  if (!match.entry->fault.empty()) return walk.fail(Problem::fault, match.entry->origin);
  if (match.entry->targets.empty()) return walk.fail(Problem::nobody, match.entry->origin);
  if (!walk.out.changed) walk.out.origin = match.entry->origin;
  walk.out.changed = true;
  mail::Address new_owner = owner;
  if (!match.alias_owner.empty())
    new_owner = mail::Address(smtp::local_in_wire_form(match.alias_owner), address.domain());
  walk.path.push_back(key);
  for (const config::AddressTarget& target : match.entry->targets) {
    if (target.discard) {
      walk.discard(address, match, new_owner);
      continue;
    }
    auto to = target_address(target, match, address);
    if (!to) return walk.fail(Problem::unfit, match.entry->origin);
    if (walk.with_steps)
      walk.out.steps.push_back({match.map, address.text(), to->text(), match.entry->origin});
    if (target.final) {
      if (walk.in_targets.insert(new_owner.text() + '\n' + key_of(*to)).second)
        walk.out.targets.push_back({*std::move(to), new_owner, false});
    } else {
      expand_into(walk, *to, new_owner);
    }
  }
  walk.path.pop_back();
}

Expansion Rewriter::expand(const mail::Address& address, bool with_steps) const {
  Walk walk;
  walk.with_steps = with_steps;
  if (idle_ || !address.has_domain()) {
    walk.out.targets.push_back({address, {}, false});
    return std::move(walk.out);
  }
  Returned back = returned(address);
  bool is_back = !back.address.is_null();
  if (is_back && with_steps)
    walk.out.steps.push_back({"srs", address.text(), back.address.text(), srs_->origin});
  if (back.problem != Problem::none) {
    walk.fail(back.problem, srs_->origin);
    return std::move(walk.out);
  }
  Resolved told;
  mail::Address start = canonical(addresses_.recipient_canonical, is_back ? back.address : address,
                                  &told, with_steps ? &walk.out.steps : nullptr);
  walk.out.changed = is_back || told.changed;
  if (told.changed) walk.out.origin = *told.origin;
  if (is_back) walk.out.origin = srs_->origin;
  if (told.problem != Problem::none)
    walk.fail(told.problem, walk.out.origin);
  else
    expand_into(walk, start, {});
  return std::move(walk.out);
}

Resolved Rewriter::resolve(const mail::Address& address) const {
  Resolved out;
  if (idle_ || !address.has_domain()) {
    out.address = address;
    return out;
  }
  Returned back = returned(address);
  bool is_back = !back.address.is_null();
  out.problem = back.problem;
  out.changed = is_back || back.problem != Problem::none;
  if (out.changed) out.origin = &srs_->origin;
  out.address = is_back ? back.address : address;
  if (out.problem != Problem::none) return out;
  out.address = canonical(addresses_.recipient_canonical, out.address, &out, nullptr);
  std::unordered_set<std::string> seen;
  while (out.problem == Problem::none && !out.several) {
    Match match = find(out.address);
    if (match.entry == nullptr) return out;
    if (!out.changed) out.origin = &match.entry->origin;
    out.changed = true;
    out.several = match.entry->targets.size() > 1;
    if (match.entry->targets.empty()) {
      out.problem = match.entry->fault.empty() ? Problem::nobody : Problem::fault;
      out.origin = &match.entry->origin;
    } else if (match.entry->targets.front().discard) {
      out.several = true;  // nobody at all, to be exact: there is nobody to be asked for
    } else if (!out.several) {
      const config::AddressTarget& only = match.entry->targets.front();
      std::string key = key_of(out.address);
      auto next = target_address(only, match, out.address);
      if (!next) {
        out.problem = Problem::unfit;
        out.origin = &match.entry->origin;
        return out;
      }
      bool own = key_of(*next) == key;
      out.address = *std::move(next);
      if (own || only.final) return out;
      if (!seen.insert(key).second || seen.size() > kDepthMax) {
        out.problem = Problem::loop;
        out.origin = &match.entry->origin;
      }
    }
  }
  return out;
}

// A tag of the client's choice makes no other address of a copy's.
std::vector<BlindCopy> Rewriter::copies(const config::AddressMap& map,
                                        const mail::Address& address) const {
  std::vector<BlindCopy> out;
  if (map.empty()) return out;
  Match match = find_in(map, "bcc", address);
  if (match.entry == nullptr) {
    auto other = map.find(address.is_null() ? "<>" : "*");
    if (other == map.end()) return out;
    match.entry = &other->second;
  }
  match.tag.clear();
  for (const config::AddressTarget& target : match.entry->targets) {
    if (target.discard || (address.is_null() && target.address.front() == '@')) continue;
    if (auto to = target_address(target, match, address))
      out.push_back({*std::move(to), match.entry->origin});
  }
  return out;
}

std::vector<BlindCopy> Rewriter::sender_copies(const mail::Address& address) const {
  return copies(addresses_.sender_bcc, sender(address));
}

std::vector<BlindCopy> Rewriter::recipient_copies(const mail::Address& recipient) const {
  if (addresses_.recipient_bcc.empty()) return {};
  return copies(addresses_.recipient_bcc,
                canonical(addresses_.recipient_canonical, recipient, nullptr, nullptr));
}

namespace {

// An address that the key is the line of.
mail::Address sample_of(const std::string& key, const std::string& alias_domain) {
  if (key.front() == '@') return mail::Address("someone", key.substr(1));
  mail::Address address = mail::Address::from_text(key);
  if (address.has_domain()) return address;
  return mail::Address(smtp::local_in_wire_form(key), alias_domain);
}

void look_for_problems(const config::Addresses& addresses, std::vector<config::Diagnostic>& out) {
  Rewriter rewriter(addresses);
  std::string alias_domain =
      addresses.alias_domains.empty() ? std::string() : addresses.alias_domains.front();
  for (const config::AddressMap* map :
       {&addresses.recipient_canonical, &addresses.virtual_addresses, &addresses.aliases}) {
    for (const auto& [key, entry] : *map) {
      if (!entry.fault.empty()) continue;  // told when it was read
      Expansion found = rewriter.expand(sample_of(key, alias_domain));
      if (found.problem != Problem::none)
        out.push_back({entry.origin, fmt::format("{} {}", key, text_of(found.problem))});
    }
  }
}

void look_for_lost_copies(const config::Addresses& addresses,
                          std::vector<config::Diagnostic>& out) {
  Rewriter rewriter(addresses);
  for (const config::AddressMap* map : {&addresses.sender_bcc, &addresses.recipient_bcc})
    for (const auto& [key, entry] : *map)
      for (const config::AddressTarget& target : entry.targets) {
        Expansion found = rewriter.expand(sample_of(target.address, {}));
        if (found.problem != Problem::none)
          out.push_back({entry.origin, fmt::format("the copy for {}: {} {}", key, target.address,
                                                   text_of(found.problem))});
      }
}

}  // namespace

std::vector<config::Diagnostic> problems(const config::Addresses& addresses) {
  std::vector<config::Diagnostic> out;
  look_for_problems(addresses, out);
  look_for_lost_copies(addresses, out);
  config::Addresses senders;
  senders.separator = addresses.separator;
  senders.recipient_canonical = addresses.sender_canonical;
  look_for_problems(senders, out);
  auto place = [](const config::Diagnostic& d) { return std::tie(d.origin.file, d.origin.line); };
  std::sort(out.begin(), out.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  out.erase(std::unique(out.begin(), out.end(),
                        [&](const auto& a, const auto& b) { return place(a) == place(b); }),
            out.end());
  return out;
}

}  // namespace postwain::rewrite
