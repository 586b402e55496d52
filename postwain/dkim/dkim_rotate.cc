// `postwain dkim rotate`: first a next key is made and its record printed; when the DNS has it, the
// same command lets it sign in the place of the one before.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/base/time.h"
#include "common/mail/address.h"
#include "postwain/client/json_member.h"
#include "postwain/commands/process_commands.h"
#include "postwain/dkim/adding.h"
#include "postwain/dkim/changed_config.h"
#include "postwain/dkim/dkim_commands.h"
#include "postwain/dkim/key_file.h"
#include "postwain/dkim/key_json.h"
#include "postwain/dkim/new_key.h"
#include "postwain/dkim/published_everywhere.h"
#include "postwain/dkim/rotation_changes.h"
#include "postwain/dkim/rotation_plan.h"
#include "postwain/dns_check/key_findings.h"

namespace postwain::tool {

namespace {

using StepObject = nlohmann::ordered_json;

// One run of the command: the configuration, its keys, and what comes next.
struct Rotation {
  const ClientOptions& options;
  const DkimOptions& wanted;
  std::string domain;
  config::Loaded loaded;
  std::vector<OwnKey> keys{};
  RotationPlan plan{};
};

void print_step(const Rotation& rotation, std::string_view step, const std::vector<OwnKey>& keys) {
  StepObject list = StepObject::array();
  for (const OwnKey& key : keys) list.push_back(key_to_json(key));
  StepObject out = {
      {"domain", rotation.domain}, {"step", std::string(step)}, {"keys", std::move(list)}};
  print_json(out.dump(-1, ' ', false, StepObject::error_handler_t::replace));
}

// What is written is used from now on; the answer of the running server is told where it refuses.
int reload_after(const Rotation& rotation) {
  if (rotation.wanted.no_reload) return kExitOk;
  if (::access(rotation.loaded.config.qmgr_socket().c_str(), F_OK) != 0) {
    fmt::print(stderr, "postwain is not running; it will use this when it starts\n");
    return kExitOk;
  }
  ClientOptions quiet = rotation.options;
  quiet.json = false;
  int code = rotation.options.json ? reload_quietly(quiet) : reload_command(quiet);
  if (code != kExitOk)
    fmt::print(stderr,
               "the configuration is changed; it is used from the next start or reload on\n");
  return code;
}

Result<std::vector<AddedKey>> next_keys(const Rotation& rotation) {
  std::vector<AddedKey> out;
  config::Config known = rotation.loaded.config;
  for (std::size_t number : rotation.plan.without_next) {
    const OwnKey& before = rotation.keys[number];
    NewKeyWish wish;
    wish.domain = rotation.domain;
    wish.kind = kind_like(before);
    wish.subdomains = before.entry.subdomains;
    auto made = make_new_key(known, rotation.options.config_file, wish, wall_now());
    if (!made) return made.error();
    known.dkim_keys.push_back(made->key.entry);
    out.push_back({before.entry.origin.file, made.take()});
  }
  return out;
}

int make_next_keys(const Rotation& rotation) {
  auto added = next_keys(rotation);
  if (!added) return fail(exit_code_of(added.error()), added.error().text);
  if (Status done = add_keys(rotation.loaded, *added); !done)
    return fail(exit_code_of(done.error()), done.error().text);
  std::vector<OwnKey> keys;
  for (const AddedKey& one : *added) keys.push_back(one.key.key);
  if (rotation.options.json) {
    print_step(rotation, "made", keys);
  } else {
    for (const AddedKey& one : *added)
      fmt::print(
          "the next key of {}, {}, is in {}, and named in {}; it does not sign yet\n\nto be "
          "published in the DNS:\n\n{}\n\n",
          rotation.domain, one.key.key.algorithm_text(), one.key.key.path, one.file,
          one.key.key.zone_line());
    fmt::print("when that is done, give this command again: postwain dkim rotate {}\n",
               rotation.domain);
  }
  return reload_after(rotation);
}

void tell_switched(const Rotation& rotation, const std::vector<OwnKey>& staying) {
  if (rotation.options.json) return print_step(rotation, "switched", staying);
  for (const OwnKey& key : staying)
    fmt::print("mail of {} is signed with key {} ({}) from now on\n", rotation.domain,
               key.entry.selector, key.algorithm_text());
  for (const RotationWrite& write : rotation.plan.writes)
    for (std::size_t number : write.end)
      fmt::print("key {} signs no more; leave its record in the DNS: it may go {}\n",
                 rotation.keys[number].entry.selector,
                 when_old_key_may_go(rotation.loaded.config.queue.lifetime));
}

// Those that a sentence of not_published() names; all of them, where nobody could be asked.
std::vector<OwnKey> still_to_publish(const std::vector<OwnKey>& keys,
                                     const std::vector<std::string>& lacks) {
  std::vector<OwnKey> out;
  for (const OwnKey& key : keys)
    if (std::any_of(lacks.begin(), lacks.end(), [&](const std::string& line) {
          return line.find(": " + key.record_name() + ": ") != std::string::npos;
        }))
      out.push_back(key);
  return out.empty() ? keys : out;
}

int wait_for_dns(const Rotation& rotation, const std::vector<OwnKey>& missing) {
  if (rotation.options.json)
    print_step(rotation, "waiting", missing);
  else
    for (const OwnKey& key : missing) fmt::print("\nto be published:\n\n{}\n\n", key.zone_line());
  return fail(kExitTempFail, "nothing was changed; give this command again when the DNS has it");
}

int switch_keys(const Rotation& rotation) {
  std::vector<OwnKey> staying;
  for (std::size_t number : rotation.plan.staying) staying.push_back(rotation.keys[number]);
  // Before anybody is asked to publish anything for it.
  auto changes = rotation_changes(rotation.loaded, rotation.options.config_file, rotation.domain);
  if (!changes) return fail(exit_code_of(changes.error()), changes.error().text);
  if (!rotation.wanted.force) {
    std::vector<std::string> lacks = not_published(rotation.loaded.config, staying);
    for (const std::string& line : lacks) fmt::print(stderr, "{}\n", line);
    if (!lacks.empty()) return wait_for_dns(rotation, still_to_publish(staying, lacks));
  }
  for (const FileChange& change : *changes)
    if (Status done = replace_config_file(change.path, change.before, change.after); !done)
      return fail(exit_code_of(done.error()), done.error().text);
  tell_switched(rotation, staying);
  return reload_after(rotation);
}

// A key that cannot be read would be taken for one of another algorithm.
std::string trouble_of_keys(const Rotation& rotation) {
  for (const OwnKey& key : rotation.keys)
    if (key.entry.domain == rotation.domain && !key.trouble.empty())
      return fmt::format("key {} ({}): {}", key.entry.selector, key.entry.origin.text(),
                         printable(key.trouble));
  return {};
}

}  // namespace

int dkim_rotate_command(const ClientOptions& options, const DkimOptions& wanted) {
  auto lock = lock_config(options.config_file);
  if (!lock) return fail(exit_code_of(lock.error()), lock.error().text);
  auto loaded = load_whole(options.config_file);
  if (!loaded) return fail(exit_code_of(loaded.error()), loaded.error().text);
  Rotation rotation{options, wanted, mail::domain_key(wanted.domain), loaded.take()};
  rotation.keys = read_own_keys(rotation.loaded.config, options.config_file);
  rotation.plan = plan_rotation(rotation.keys, rotation.domain);
  if (std::string trouble = trouble_of_keys(rotation); !trouble.empty())
    return fail(kExitConfig, trouble);
  if (!rotation.plan.writes.empty()) return switch_keys(rotation);
  if (!rotation.plan.without_next.empty()) return make_next_keys(rotation);
  return fail(kExitNoInput,
              fmt::format("there is no [[dkim_key]] of {} to follow: postwain dkim new "
                          "{} --add",
                          printable(rotation.domain), printable(rotation.domain)));
}

}  // namespace postwain::tool
