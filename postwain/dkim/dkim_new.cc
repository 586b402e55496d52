// `postwain dkim new`.
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/time.h"
#include "common/config/load/client_settings.h"
#include "postwain/client/json_member.h"
#include "postwain/dkim/adding.h"
#include "postwain/dkim/changed_config.h"
#include "postwain/dkim/dkim_commands.h"
#include "postwain/dkim/key_file.h"
#include "postwain/dkim/key_json.h"
#include "postwain/dkim/new_key.h"

namespace postwain::tool {

namespace {

void print_new_key(const NewKey& made, const std::string& added_to) {
  fmt::print("the private key is in {}\n", made.key.path);
  fmt::print("\nto be published in the DNS:\n\n{}\n\n", made.key.zone_line());
  fmt::print("or, where a form asks for name and text:\n\n{}\n{}\n\n", made.key.record_name(),
             made.key.record());
  if (made.configured)
    fmt::print("its [[dkim_key]] is there: {}\n", made.key.entry.origin.text());
  else if (added_to.empty())
    fmt::print("to be written into the configuration:\n\n{}\n", key_block_text(made.block));
  else
    fmt::print("added to {}:\n\n{}\n", added_to, key_block_text(made.block));
  if (!made.block.signs)
    fmt::print("it does not sign yet; when the record is there: postwain dkim rotate {}\n",
               made.block.domain);
}

void print_new_key_json(const NewKey& made, const std::string& added_to) {
  nlohmann::ordered_json out = key_to_json(made.key);
  out["block"] = key_block_text(made.block);
  if (!added_to.empty()) out["added_to"] = added_to;
  print_json(out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

// Where a key is only made, the configuration says no more than which selectors are taken, and
// which files are wanted: those, too, of a configuration that names keys which are not there yet.
Result<config::Loaded> loaded_for(const std::string& config_file, bool add,
                                  const NewKeyWish& wish) {
  config::Loaded loaded = config::load_client(config_file);
  if (add && configured_key(loaded.config, wish) == nullptr) return load_whole(config_file);
  if (loaded.diagnostics.empty() || !loaded.config.hostname.empty()) return loaded;
  return Error{loaded.diagnostics.front().text(), kExitConfig};
}

}  // namespace

int dkim_new_command(const ClientOptions& options, const DkimOptions& wanted) {
  auto kind = key_kind_of(wanted.algorithm, wanted.bits);
  if (!kind) return fail(exit_code_of(kind.error()), kind.error().text);
  const std::string& main_file = options.config_file;
  auto lock = lock_config(main_file);
  if (!lock) return fail(exit_code_of(lock.error()), lock.error().text);
  NewKeyWish wish;
  wish.domain = wanted.domain;
  wish.selector = wanted.selector;
  wish.kind = *kind;
  wish.file = wanted.key_file;
  wish.signs = wanted.sign_now;
  auto loaded = loaded_for(main_file, wanted.add, wish);
  if (!loaded) return fail(exit_code_of(loaded.error()), loaded.error().text);
  auto made = make_new_key(loaded->config, main_file, wish, wall_now());
  if (!made) return fail(exit_code_of(made.error()), made.error().text);
  std::string added_to;
  bool add = wanted.add && !made->configured;
  if (add) added_to = folder_of_config(main_file) + kAddedKeysFile;
  Status done =
      add ? add_keys(*loaded, {{added_to, *made}}) : write_key_file(made->key.path, made->pem);
  if (!done) return fail(exit_code_of(done.error()), done.error().text);
  if (options.json)
    print_new_key_json(*made, added_to);
  else
    print_new_key(*made, added_to);
  return kExitOk;
}

}  // namespace postwain::tool
